"""A death of several processes together names the event that one of them was looking into alone."""

import importlib

from django.db import migrations

SUSPECTS = """
CREATE OR REPLACE FUNCTION destinations_suspects_of_crash() RETURNS trigger LANGUAGE plpgsql AS $$
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
"""
_BEFORE = importlib.import_module("destinations.migrations.0022_suspects").SUSPECTS
BEFORE = _BEFORE[: _BEFORE.index("CREATE TRIGGER")].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


class Migration(migrations.Migration):
    dependencies = [("destinations", "0022_suspects")]
    operations = [migrations.RunSQL(SUSPECTS, BEFORE)]
