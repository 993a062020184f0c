"""A log that has been filled for days: what a stack of one month's age has to look past.

The events are of the sources that are measured, as old as their day. Must come before these are connected, and owe
nobody any: what others are owed is forwarded beside what is measured.
"""

from collections.abc import Iterable

from psycopg2.extensions import connection as Connection  # noqa: N812

DAY_EVENTS = 20_000  # enough that each day's tables and indexes have something to look into
_PAYLOAD_BYTES = 500
_PARTITION = "SELECT ingest_event_partition((now() AT TIME ZONE 'UTC')::date - ago) FROM unnest(%s) ago"
_UNCONNECTED = """SELECT id FROM ingest_source s
WHERE NOT EXISTS (SELECT FROM destinations_connection c WHERE c.source_id = s.id)"""
_FILL = f"""
INSERT INTO ingest_event (day, source_id, message_id, lane, user_key, xid, position, received_at, payload)
SELECT (now() AT TIME ZONE 'UTC')::date - %(ago)s, s.id, gen_random_uuid(), n %% 64,
    format('old-%%s', n), pg_current_xact_id()::text::bigint, row_number() OVER (),
    now() - %(ago)s * interval '1 day', repeat('x', %(bytes)s)
FROM ({_UNCONNECTED}) s CROSS JOIN generate_series(1, %(events)s) n
"""


def fill(raw: Connection, ages: Iterable[int], events: int = DAY_EVENTS) -> None:
    """Give each of these days, so many days ago, so many events, and end with a checkpoint. Raises psycopg2.Error."""
    oldest_first = sorted(ages, reverse=True)
    with raw, raw.cursor() as cursor:
        cursor.execute(_PARTITION, [oldest_first])
    for ago in oldest_first:
        with raw, raw.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM ({_UNCONNECTED}) s")
            (sources,) = cursor.fetchone() or (1,)
            cursor.execute(_FILL, {"ago": ago, "events": max(1, events // sources), "bytes": _PAYLOAD_BYTES})
    raw.autocommit = True
    with raw.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE ingest_event")
        cursor.execute("CHECKPOINT")
