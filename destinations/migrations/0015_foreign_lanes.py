"""Cursors ahead of the cluster's transaction ids tell a foreign log too: behind them nothing new would ever be read."""

from django.db import migrations

ALSO_LANES = """
ALTER FUNCTION ingest_log_is_foreign() RENAME TO ingest_events_are_foreign;
CREATE FUNCTION ingest_log_is_foreign() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT ingest_events_are_foreign() OR EXISTS (
        SELECT FROM destinations_lane WHERE xid > pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
$$;
"""
WITHOUT_LANES = """
DROP FUNCTION ingest_log_is_foreign();
ALTER FUNCTION ingest_events_are_foreign() RENAME TO ingest_log_is_foreign;
"""


class Migration(migrations.Migration):
    dependencies = [("destinations", "0014_trials"), ("ingest", "0009_foreign_log")]

    operations = [migrations.RunSQL(ALSO_LANES, WITHOUT_LANES)]
