"""The event log: a table partitioned by day, and the function that makes a day's partition."""

import django.db.models
from django.db import migrations, models

TABLE = """
CREATE TABLE ingest_event (
    day date NOT NULL,
    source_id integer NOT NULL,
    message_id text NOT NULL,
    lane smallint NOT NULL,
    user_key text NOT NULL,
    xid bigint NOT NULL,
    position integer NOT NULL,
    received_at timestamptz NOT NULL,
    payload text NOT NULL,
    PRIMARY KEY (day, source_id, message_id)
) PARTITION BY RANGE (day);
CREATE INDEX event_order ON ingest_event (source_id, lane, xid, position);
"""

# LIKE + ATTACH: CREATE TABLE … PARTITION OF would wait for every reader of the log and stop all ingest meanwhile.
PARTITION = """
CREATE FUNCTION ingest_event_partition(wanted date) RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    name text := 'ingest_event_' || to_char(wanted, 'YYYYMMDD');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ingest_event_partition'));
    IF EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'ingest_event'::regclass AND inhrelid = to_regclass(name)) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE IF NOT EXISTS %I (LIKE ingest_event INCLUDING ALL)', name);
    EXECUTE format('ALTER TABLE ingest_event ATTACH PARTITION %I'
        ' FOR VALUES FROM (%L) TO (%L)', name, wanted, wanted + 1);
    RETURN true;
END $$;
SELECT ingest_event_partition((now() AT TIME ZONE 'UTC')::date + ahead) FROM generate_series(-1, 2) ahead;
"""

VERSION = """
INSERT INTO ingest_configversion (id, version) VALUES (1, 1);
CREATE FUNCTION ingest_raise_config_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ingest_configversion SET version = version + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER raise_config_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON ingest_source
    FOR EACH STATEMENT EXECUTE FUNCTION ingest_raise_config_version();
CREATE FUNCTION ingest_new_source() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ingest_tally (source_id, through_xid, accepted)
    VALUES (NEW.id, pg_snapshot_xmin(pg_current_snapshot())::text::bigint, 0);
    RETURN NULL;
END $$;
CREATE TRIGGER new_source AFTER INSERT ON ingest_source FOR EACH ROW EXECUTE FUNCTION ingest_new_source();
"""


class Migration(migrations.Migration):
    dependencies = [("ingest", "0001_initial")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(TABLE, "DROP TABLE ingest_event"),
                migrations.RunSQL(PARTITION, "DROP FUNCTION ingest_event_partition"),
            ],
            state_operations=[
                migrations.CreateModel(
                    name="Event",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "day",
                                "source_id",
                                "message_id",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("day", models.DateField()),
                        ("source_id", models.IntegerField()),
                        ("message_id", models.TextField()),
                        ("lane", models.SmallIntegerField()),
                        ("user_key", models.TextField()),
                        ("xid", models.BigIntegerField()),
                        ("position", models.IntegerField()),
                        ("received_at", models.DateTimeField()),
                        ("payload", models.TextField()),
                    ],
                    options={
                        "db_table": "ingest_event",
                        "indexes": [
                            django.db.models.Index(fields=["source_id", "lane", "xid", "position"], name="event_order")
                        ],
                    },
                ),
            ],
        ),
        migrations.RunSQL(
            VERSION,
            """
            DROP TRIGGER raise_config_version ON ingest_source; DROP FUNCTION ingest_raise_config_version;
            DROP TRIGGER new_source ON ingest_source; DROP FUNCTION ingest_new_source; DELETE FROM ingest_configversion;
            """,
        ),
    ]
