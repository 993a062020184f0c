"""From a time to a place in the log: which xids were given out before it.

xids rise with time, nearly: a transaction takes its xid a moment after its time, and clocks are set. What lies within
MARGIN is decided event by event, as it is read. Must never walk the log: it looks at one event a lane at a time.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from psycopg2.extensions import connection as Connection  # noqa: N812

from ingest.models import LANES

MARGIN = timedelta(minutes=10)

# The first event of these sources from an xid on, of the days that the time can be in.
_FIRST = f"""
SELECT e.received_at FROM unnest(%(sources)s) s (id) CROSS JOIN generate_series(0, {LANES - 1}) hash
CROSS JOIN LATERAL (
    SELECT e.xid, e.received_at FROM ingest_event e
    WHERE e.source_id = s.id AND e.lane = hash AND e.xid >= %(xid)s AND e.day >= %(day)s
    ORDER BY e.xid, e.position LIMIT 1
) e
ORDER BY e.xid LIMIT 1
"""


def first_xid(raw: Connection, source_ids: Sequence[int], moment: datetime) -> int:
    """The smallest xid from which on these sources' events were received at `moment` or later."""
    with raw.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        low, high = 0, int((cursor.fetchone() or (0,))[0])
        values = {"sources": list(source_ids), "day": (moment - timedelta(days=1)).date()}
        cursor.execute(_FIRST, values | {"xid": 0})
        if cursor.fetchone() is None:
            return high  # all were received before
        while low < high:
            middle = (low + high) // 2
            cursor.execute(_FIRST, values | {"xid": middle})
            row = cursor.fetchone()
            if row is None or row[0] >= moment:
                high = middle
            else:
                low = middle + 1
        return low
