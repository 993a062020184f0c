"""Triggers that keep lanes, gaps and health true however a row is written: command, admin or SQL."""

from django.db import migrations

# The start is the horizon of this very statement: the next xid, or the largest so far, would skip events in flight.
NEW_CONNECTION = """
CREATE FUNCTION destinations_new_connection() RETURNS trigger LANGUAGE plpgsql AS $$
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
    SELECT NEW.id, number, horizon, -1, today, '[]', 0, 0, 0, '{}' FROM generate_series(0, 63) number;
    PERFORM destinations_sync_gap(NEW.id);
    RETURN NULL;
END $$;
"""

# A gap opens at the first xid nobody has yet and closes at the horizon: whatever was in flight stays owed.
GAPS = """
CREATE FUNCTION destinations_sync_gap(wanted bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    active boolean;
BEGIN
    SELECT c.enabled AND d.enabled INTO active
    FROM destinations_connection c JOIN destinations_destination d ON d.id = c.destination_id WHERE c.id = wanted;
    IF active THEN
        UPDATE destinations_gap SET to_xid = pg_snapshot_xmin(pg_current_snapshot())::text::bigint
        WHERE connection_id = wanted AND to_xid IS NULL;
    ELSE
        INSERT INTO destinations_gap (connection_id, from_xid)
        VALUES (wanted, pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
        ON CONFLICT DO NOTHING;
    END IF;
END $$;
CREATE FUNCTION destinations_connection_switched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM destinations_sync_gap(NEW.id);
    RETURN NULL;
END $$;
CREATE FUNCTION destinations_destination_switched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM destinations_sync_gap(id) FROM destinations_connection WHERE destination_id = NEW.id;
    RETURN NULL;
END $$;
CREATE FUNCTION destinations_new_destination() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO destinations_health (destination_id, state, breaker, probes_failed, streak, last_error)
    VALUES (NEW.id, 'ok', 'closed', 0, '{}', '');
    RETURN NULL;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER new_connection AFTER INSERT ON destinations_connection
    FOR EACH ROW EXECUTE FUNCTION destinations_new_connection();
CREATE TRIGGER connection_switched AFTER UPDATE OF enabled ON destinations_connection
    FOR EACH ROW WHEN (OLD.enabled IS DISTINCT FROM NEW.enabled) EXECUTE FUNCTION destinations_connection_switched();
CREATE TRIGGER destination_switched AFTER UPDATE OF enabled ON destinations_destination
    FOR EACH ROW WHEN (OLD.enabled IS DISTINCT FROM NEW.enabled) EXECUTE FUNCTION destinations_destination_switched();
CREATE TRIGGER new_destination AFTER INSERT ON destinations_destination
    FOR EACH ROW EXECUTE FUNCTION destinations_new_destination();
CREATE TRIGGER raise_config_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON destinations_destination
    FOR EACH STATEMENT EXECUTE FUNCTION ingest_raise_config_version();
CREATE TRIGGER raise_config_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON destinations_connection
    FOR EACH STATEMENT EXECUTE FUNCTION ingest_raise_config_version();
"""

UNDO = """
DROP TRIGGER new_connection ON destinations_connection;
DROP TRIGGER connection_switched ON destinations_connection;
DROP TRIGGER raise_config_version ON destinations_connection;
DROP TRIGGER destination_switched ON destinations_destination;
DROP TRIGGER new_destination ON destinations_destination;
DROP TRIGGER raise_config_version ON destinations_destination;
DROP FUNCTION destinations_new_connection, destinations_connection_switched, destinations_destination_switched,
    destinations_new_destination, destinations_sync_gap;
"""


class Migration(migrations.Migration):
    dependencies = [("destinations", "0001_initial"), ("ingest", "0002_event_log")]
    operations = [migrations.RunSQL(NEW_CONNECTION + GAPS + TRIGGERS, UNDO)]
