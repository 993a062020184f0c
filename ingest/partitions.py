"""Day partitions of the event log: made ahead by upkeep, and on demand by the writer when one is missing."""

from psycopg2.extensions import connection as Connection  # noqa: N812

DAYS_AHEAD = 2


def create_ahead(raw: Connection) -> int:
    """Make the partitions from yesterday to two days ahead, by the database's clock; returns how many were new."""
    with raw.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE ingest_event_partition((now() AT TIME ZONE 'UTC')::date + ahead))"
            " FROM generate_series(-1, %s) ahead",
            [DAYS_AHEAD],
        )
        row = cursor.fetchone()
        return int(row[0]) if row else 0
