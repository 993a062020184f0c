"""Suspects, made from what was in flight by the statement that stores a crash."""

import django.db.models.deletion
from django.db import migrations, models

# Message id, user and day are where the event is kept: in a row of its own, else in the log. What is gone with its
# connection, or was given up with its day, makes no suspect. A test event is never sent again: it explains the death.
SUSPECTS = """
CREATE FUNCTION destinations_suspects_of_crash() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- One entry in all; or, where several processes died together, one that its process looked into alone.
    by_itself boolean := jsonb_array_length(NEW.in_flight) = 1;
    one_examined boolean := (SELECT count(*) = 1 FROM jsonb_array_elements(NEW.in_flight) e WHERE e ? 'examined');
BEGIN
    INSERT INTO destinations_suspect AS known (destination_id, connection_id, lane, replay, xid, position, day,
        message_id, user_key, state, deaths_alone, crashes, created_at)
    SELECT c.destination_id, c.id, f.lane, f.replay, f.xid, f.position, kept.day, kept.message_id, kept.user_key,
        'open', f.alone, jsonb_build_array(NEW.id), now()
    FROM (
        SELECT connection, lane, replay, xid, position,
            (by_itself OR one_examined AND bool_or(coalesce(entry.examined, false)))::int AS alone
        FROM jsonb_to_recordset(NEW.in_flight)
            AS entry (connection bigint, lane int, replay bigint, xid bigint, position int, examined boolean)
        GROUP BY connection, lane, replay, xid, position
    ) f
    JOIN destinations_connection c ON c.id = f.connection
    CROSS JOIN LATERAL (
        (SELECT d.day, d.message_id, d.user_key FROM destinations_delivery d
         WHERE d.connection_id = c.id AND d.xid = f.xid AND d.position = f.position AND d.replay IN (0, f.replay)
         ORDER BY d.replay DESC LIMIT 1)
        UNION ALL
        (SELECT e.day, e.message_id, e.user_key FROM ingest_event e
         WHERE e.source_id = c.source_id AND e.lane = f.lane AND e.xid = f.xid AND e.position = f.position LIMIT 1)
        LIMIT 1
    ) kept
    ORDER BY c.id, f.xid, f.position, f.replay
    ON CONFLICT (connection_id, xid, position, replay) WHERE connection_id IS NOT NULL AND state = 'open'
    DO UPDATE SET deaths_alone = known.deaths_alone + excluded.deaths_alone,
        crashes = known.crashes || excluded.crashes;

    INSERT INTO destinations_suspect AS known (destination_id, replay, message_id, user_key, state, deaths_alone,
        crashes, created_at)
    SELECT d.id, 0, '', '', 'open', f.alone, jsonb_build_array(NEW.id), now()
    FROM (
        SELECT destination, (by_itself OR one_examined AND bool_or(coalesce(entry.examined, false)))::int AS alone
        FROM jsonb_to_recordset(NEW.in_flight) AS entry (destination bigint, xid bigint, examined boolean)
        WHERE xid IS NULL
        GROUP BY destination
    ) f
    JOIN destinations_destination d ON d.id = f.destination
    ORDER BY d.id
    ON CONFLICT (destination_id) WHERE connection_id IS NULL AND state = 'open'
    DO UPDATE SET deaths_alone = known.deaths_alone + excluded.deaths_alone,
        crashes = known.crashes || excluded.crashes;

    IF NOT EXISTS (SELECT FROM jsonb_array_elements(NEW.in_flight) entry WHERE entry->'lane' IS DISTINCT FROM '-1') THEN
        UPDATE alerts_crash SET explained = 'a test event' WHERE id = NEW.id AND explained = '';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER suspects_of_crash AFTER INSERT ON alerts_crash
    FOR EACH ROW WHEN (NEW.in_flight <> '[]') EXECUTE FUNCTION destinations_suspects_of_crash();
"""
UNDO = """
DROP TRIGGER suspects_of_crash ON alerts_crash;
DROP FUNCTION destinations_suspects_of_crash;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("destinations", "0021_one_index_of_dead_letters"),
    ]

    operations = [
        migrations.CreateModel(
            name="Suspect",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("lane", models.SmallIntegerField(null=True)),
                ("replay", models.BigIntegerField(db_default=0, default=0)),
                ("xid", models.BigIntegerField(null=True)),
                ("position", models.IntegerField(null=True)),
                ("day", models.DateField(null=True)),
                ("message_id", models.TextField(blank=True)),
                ("user_key", models.TextField(blank=True)),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "Open"), ("cleared", "Cleared"), ("guilty", "Guilty")],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("deaths_alone", models.PositiveIntegerField(default=0)),
                ("crashes", models.JSONField(default=list)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("settled_at", models.DateTimeField(null=True)),
                (
                    "connection",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.CASCADE, to="destinations.connection"
                    ),
                ),
                (
                    "destination",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="destinations.destination"),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "open"), _negated=True),
                        fields=["settled_at"],
                        name="suspect_settled",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("connection__isnull", False), ("state", "open")),
                        fields=("connection", "xid", "position", "replay"),
                        name="suspect_event_open_once",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("connection__isnull", True), ("state", "open")),
                        fields=("destination",),
                        name="suspect_link_open_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["open", "cleared", "guilty"])), name="suspect_state_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("connection", None), ("day", None), ("lane", None), ("position", None), ("xid", None)
                            ),
                            models.Q(
                                ("connection__isnull", False),
                                ("day__isnull", False),
                                ("lane__isnull", False),
                                ("position__isnull", False),
                                ("xid__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="suspect_place_whole",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("settled_at", None), ("state", "open")),
                            models.Q(models.Q(("state", "open"), _negated=True), ("settled_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="suspect_settled_when_not_open",
                    ),
                ],
            },
        ),
        migrations.RunSQL(SUSPECTS, UNDO),
    ]
