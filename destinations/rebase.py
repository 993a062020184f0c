"""Making a log from another cluster this cluster's own: its transaction counter is moved beyond the log's ids.

Nothing of the log is changed, so order, cursors, gaps and marks stay what they were. Must never run for a log that is
at home: ids are finite between two vacuums.
"""

from collections.abc import Callable

from psycopg2.extensions import connection as Connection  # noqa: N812

STEP = 100_000

# The largest id of the log and of what is kept of it, as far as it lies ahead of the next one. Gaps and skips may lie
# far beyond the last event, and would swallow new ones.
_AHEAD = """
SELECT greatest(
    (SELECT max(through_xid) FROM ingest_tally),
    (SELECT max(xid) FROM destinations_lane),
    (SELECT max(greatest(from_xid, to_xid, pg_snapshot_xmax(snapshot::pg_snapshot)::text::bigint))
        FROM destinations_gap),
    (SELECT max(pg_snapshot_xmax(snapshot::pg_snapshot)::text::bigint) FROM destinations_destinationaction),
    (SELECT max(newest.xid) FROM ingest_source s CROSS JOIN generate_series(0, 63) hash CROSS JOIN LATERAL (
        SELECT e.xid FROM ingest_event e WHERE e.source_id = s.id AND e.lane = hash
        ORDER BY e.xid DESC, e.position DESC LIMIT 1) newest)
) - pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 1
"""

# A block with an exception clause is a subtransaction; what it writes to the WAL makes it take an id of its own.
_TAKE_IDS = """
DO $$ BEGIN
    FOR number IN 1 .. {ids} LOOP
        BEGIN
            PERFORM pg_logical_emit_message(true, 'rudderproj.rebase', '');
        EXCEPTION WHEN data_exception THEN NULL;
        END;
    END LOOP;
END $$
"""


def ahead(raw: Connection) -> int:
    """How many transaction ids the log is ahead of this cluster; 0 or less: it is at home. Raises psycopg2.Error."""
    with raw.cursor() as cursor:
        cursor.execute(_AHEAD)
        row = cursor.fetchone()
    return int(row[0] or 0) if row else 0


def rebase(raw: Connection, tell: Callable[[int], None]) -> None:
    """Use up ids until the log is at home; `tell` hears how many are left. It may be stopped and begun again."""
    while (left := ahead(raw)) > 0:
        tell(left)
        with raw.cursor() as cursor:
            cursor.execute(_TAKE_IDS.format(ids=min(left, STEP)))
