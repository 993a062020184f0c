"""A connection begins, and a gap ends, with a snapshot: what had been accepted before that is not for it.

The horizon alone lies before whatever was accepted while some older transaction was open. It stays where lanes begin:
what is in flight at that moment is owed.
"""

from django.db import migrations, models

# What is new; without it the functions are as they were.
FROM_THE_BEGINNING = """-- What had been accepted already is read, and filtered: the horizon may lie far behind.
    INSERT INTO destinations_gap (connection_id, from_xid, to_xid, snapshot)
    VALUES (NEW.id, 0, horizon, pg_current_snapshot()::text);
    """
SNAPSHOT_OF_THE_END = ", snapshot = pg_current_snapshot()::text"
END_IS_AHEAD = ", pg_snapshot_xmax(g.snapshot::pg_snapshot)::text::bigint"

EXACT = f"""
CREATE OR REPLACE FUNCTION destinations_new_connection() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    horizon bigint;
    today date := (now() AT TIME ZONE 'UTC')::date;
BEGIN
    -- One statement: a roll-up between the horizon and the tally would be counted on both sides.
    UPDATE destinations_connection SET (start_xid, accepted_before) = (
        SELECT here.xid, t.accepted + (
            SELECT count(*) FROM generate_series(0, 63) hash JOIN ingest_event e
                ON e.source_id = NEW.source_id AND e.lane = hash AND e.xid >= t.through_xid AND e.xid < here.xid)
        FROM ingest_tally t, (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xid) here
        WHERE t.source_id = NEW.source_id)
    WHERE id = NEW.id RETURNING start_xid INTO horizon;
    INSERT INTO destinations_lane (connection_id, number, xid, position, day,
        beyond, delivered, aborted, skipped, filtered)
    SELECT NEW.id, number, horizon, -1, today, '[]', 0, 0, 0, '{{}}' FROM generate_series(0, 63) number;
    {FROM_THE_BEGINNING}PERFORM destinations_sync_gap(NEW.id);
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION destinations_sync_gap(wanted bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    active boolean;
BEGIN
    SELECT c.enabled AND d.enabled INTO active
    FROM destinations_connection c JOIN destinations_destination d ON d.id = c.destination_id WHERE c.id = wanted;
    IF active THEN
        UPDATE destinations_gap SET to_xid = pg_snapshot_xmin(pg_current_snapshot())::text::bigint{SNAPSHOT_OF_THE_END}
        WHERE connection_id = wanted AND to_xid IS NULL;
    ELSE
        INSERT INTO destinations_gap (connection_id, from_xid)
        VALUES (wanted, pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
        ON CONFLICT DO NOTHING;
    END IF;
END $$;
CREATE OR REPLACE FUNCTION ingest_log_is_foreign() RETURNS boolean LANGUAGE sql STABLE AS $$
    WITH next AS MATERIALIZED (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xid)
    SELECT ingest_events_are_foreign()
        OR EXISTS (SELECT FROM destinations_lane l, next WHERE l.xid > next.xid)
        OR EXISTS (SELECT FROM destinations_gap g, next WHERE greatest(g.from_xid, g.to_xid{END_IS_AHEAD}) > next.xid)
        OR EXISTS (
            SELECT FROM destinations_destinationaction a, next WHERE a.snapshot IS NOT NULL
                AND pg_snapshot_xmax(a.snapshot::pg_snapshot)::text::bigint > next.xid)
$$;
"""
BY_HORIZON = EXACT.replace(FROM_THE_BEGINNING, "").replace(SNAPSHOT_OF_THE_END, "").replace(END_IS_AHEAD, "")


class Migration(migrations.Migration):
    dependencies = [("destinations", "0023_suspect_delivered_before")]
    operations = [
        migrations.AddField("gap", "snapshot", models.TextField(null=True)),
        migrations.RunSQL(EXACT, BY_HORIZON),
    ]
