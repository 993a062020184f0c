"""Gaps and skips ahead of the cluster's transaction ids tell a foreign log too: new events would fall into them.

The log may end long before: whatever else writes to a database uses up ids as well.
"""

from django.db import migrations

ALSO_MARKS = """
CREATE OR REPLACE FUNCTION ingest_log_is_foreign() RETURNS boolean LANGUAGE sql STABLE AS $$
    WITH next AS MATERIALIZED (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xid)
    SELECT ingest_events_are_foreign()
        OR EXISTS (SELECT FROM destinations_lane l, next WHERE l.xid > next.xid)
        OR EXISTS (SELECT FROM destinations_gap g, next WHERE greatest(g.from_xid, g.to_xid) > next.xid)
        OR EXISTS (
            SELECT FROM destinations_destinationaction a, next WHERE a.snapshot IS NOT NULL
                AND pg_snapshot_xmax(a.snapshot::pg_snapshot)::text::bigint > next.xid)
$$;
"""
WITHOUT_MARKS = """
CREATE OR REPLACE FUNCTION ingest_log_is_foreign() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT ingest_events_are_foreign() OR EXISTS (
        SELECT FROM destinations_lane WHERE xid > pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("destinations", "0019_foreign_log_by_index")]
    operations = [migrations.RunSQL(ALSO_MARKS, WITHOUT_MARKS)]
