"""Telling a log that was written in another cluster: its transaction ids lie ahead of this one's."""

from django.db import migrations

# What this cluster wrote and committed has an xid below the next one. The tally says so of most of the log.
IS_FOREIGN = """
CREATE FUNCTION ingest_log_is_foreign() RETURNS boolean LANGUAGE sql STABLE AS $$
    WITH next AS (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xid)
    SELECT EXISTS (SELECT FROM ingest_tally t, next WHERE t.through_xid > next.xid) OR EXISTS (
        SELECT FROM next, ingest_tally t, generate_series(0, 63) hash WHERE EXISTS (
            SELECT FROM ingest_event e WHERE e.source_id = t.source_id AND e.lane = hash
                AND e.xid >= next.xid AND e.day >= t.day - 1))
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("ingest", "0008_milestone_day")]

    operations = [migrations.RunSQL(IS_FOREIGN, "DROP FUNCTION ingest_log_is_foreign()")]
