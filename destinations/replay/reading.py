"""Reading what a replay sends again, after its lanes' cursors and before their ends: the log, or dead letters.

Ends are never above what was settled live, so that no horizon is looked at. Must never write.
"""

from collections.abc import Sequence
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations.lanes import ClaimedLane
from destinations.models import Replay
from destinations.reader import ASKED, READ_BYTES, Ask, Owed
from destinations.servable import live_row
from rudderproj.prepared import Prepared, Rows

_ASKED = Rows(**ASKED.types, replay="bigint", end_xid="bigint", end_position="int")
_LANES = f"{_ASKED.sql} l {_ASKED.columns} JOIN destinations_replay r ON r.id = l.replay"

# What is not selected is read without its payload, a bounded number at a time, so that the cursor passes it.
LOG = """
SELECT e.*, (r.since IS NULL OR e.received_at >= r.since) AND (r.until IS NULL OR e.received_at < r.until)
    AND (r.user_key = '' OR e.user_key = r.user_key) AS selected
FROM (
    SELECT e.day, e.message_id, e.lane, e.user_key, e.xid, e.position, e.received_at, e.payload FROM ingest_event e
    WHERE e.source_id = l.source_id AND e.lane = l.number AND e.day >= l.day - 1
      AND (e.xid, e.position) > (l.xid, l.position) AND (e.xid, e.position) < (l.end_xid, l.end_position)
    ORDER BY e.xid, e.position LIMIT l.most
) e
"""

# Of replay `r` and lane `l`. A dead letter keeps its payload, since the log may not.
LETTER_IS_CHOSEN = """
d.replay = 0 AND d.state = 'aborted' AND (r.since IS NULL OR d.updated_at >= r.since)
AND (r.until IS NULL OR d.updated_at < r.until) AND (r.user_key = '' OR d.user_key = r.user_key)
AND (r.reason = '' OR d.reason = r.reason)
"""
DEAD_LETTERS = f"""
SELECT d.day, d.message_id, d.lane, d.user_key, d.xid, d.position,
    coalesce(d.payload, e.payload) AS payload, true AS selected
FROM destinations_delivery d
LEFT JOIN ingest_event e ON e.day = d.day AND e.source_id = l.source_id AND e.message_id = d.message_id
WHERE d.connection_id = l.connection_id AND d.lane = l.number AND {LETTER_IS_CHOSEN}
  AND (d.xid, d.position) > (l.xid, l.position) AND (d.xid, d.position) < (l.end_xid, l.end_position)
ORDER BY d.xid, d.position LIMIT l.most
"""

_NEXT = f"""
SELECT id, xid, position, day::text, message_id, user_key, CASE WHEN selected THEN payload END,
    {live_row("found")} OR EXISTS (
        SELECT FROM destinations_delivery d
        WHERE d.connection_id = found.connection_id AND d.replay = found.replay AND d.lane = found.lane
          AND d.user_key = found.user_key AND d.state IN ('failed', 'waiting')) AS held,
    EXISTS (
        SELECT FROM destinations_delivery d
        WHERE d.connection_id = found.connection_id AND d.xid = found.xid AND d.position = found.position
          AND d.replay = 0 AND d.state = 'aborted') AS is_dead_letter,
    selected
FROM (
    SELECT l.id, l.connection_id, l.replay, e.*,
        coalesce(sum(CASE WHEN e.selected THEN octet_length(e.payload) END) OVER (
            ORDER BY e.nth, e.xid, e.position, l.id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS bytes_before
    FROM {_LANES}
    CROSS JOIN LATERAL (
        SELECT chosen.*, row_number() OVER (ORDER BY chosen.xid, chosen.position) AS nth FROM ({{rows}}) chosen
    ) e
) found
WHERE bytes_before < %(most_bytes)s::bigint
"""

_ANY_LEFT = f"SELECT l.id FROM {_LANES} WHERE EXISTS (SELECT FROM ({{rows}}) chosen)"

_ROWS = {Replay.Origin.LOG.value: LOG, Replay.Origin.DEAD_LETTERS.value: DEAD_LETTERS}
_NEXT_OF = {origin: Prepared(_NEXT.format(rows=rows)) for origin, rows in _ROWS.items()}
_ANY_LEFT_OF = {origin: Prepared(_ANY_LEFT.format(rows=rows)) for origin, rows in _ROWS.items()}


def next_events(
    raw: Connection, asked: Sequence[Ask], origin: str, most_bytes: int = READ_BYTES
) -> tuple[list[Owed], list[Ask]]:
    """The next events of each lane asked for, in order per lane, and the lanes that have come to their end."""
    if not asked:
        return [], []
    lanes = {ask.lane.id: ask.lane for ask in asked}
    with raw.cursor() as cursor:
        _NEXT_OF[origin].execute(cursor, {"most_bytes": most_bytes, **_ASKED.parameters(_values(asked))})
        rows = cursor.fetchall()
        rows.sort(key=lambda row: row[1:3])
        found = {row[0] for row in rows}
        # A lane of which nothing was read may still have what was too large for this read.
        rest = [ask._replace(most=1) for ask in asked if ask.lane.id not in found]
        left = set[int]()
        if rest:
            _ANY_LEFT_OF[origin].execute(cursor, _ASKED.parameters(_values(rest)))
            left = {row[0] for row in cursor.fetchall()}
    return [_owed(lanes[row[0]], row) for row in rows], [ask for ask in rest if ask.lane.id not in left]


def _values(asked: Sequence[Ask]) -> list[tuple[object, ...]]:
    return [(*ask.row, ask.lane.replay, *(ask.lane.end or ask.after)) for ask in asked]


def _owed(lane: ClaimedLane, row: tuple[Any, ...]) -> Owed:
    _, xid, position, day, message_id, user_key, payload, held, is_dead_letter, selected = row
    owed = Owed(lane, (xid, position), day, message_id, user_key, payload, held)
    owed.is_dead_letter, owed.selected = is_dead_letter, selected
    return owed
