"""Reading the log after the cursors, and the held users' rows: only what is settled below the horizon, in order.

A row is visible to readers when every transaction with a smaller xid has ended; until then it is as if it had not
happened, because a smaller one could still appear before it. Must never write.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations.lanes import ClaimedLane
from destinations.progress import Place
from destinations.servable import (
    CONNECTED,
    DUE,
    HORIZON,
    OF_CONNECTED,
    REPLAY_HAS_NEXT,
    has_next_settled_unless,
    live_row,
)
from destinations.skip import Skip
from destinations.suspects.looking import IS_BARRED
from rudderproj.prepared import Prepared, Rows

DUE_USERS = 64  # held users whose rows are read at once
READ_BYTES = 32 * 1024 * 1024  # of payloads in one read, and one event more; links of one process share it

# Partitions are pruned by the cursor's day, one day further back: a larger xid may carry yesterday's date. By the first
# of these days before the statement begins, which costs less. The same goes for whether anybody is held.
# Payloads too large for one read are cut off at the end of each lane: every lane's first event before any one's second.
ASKED = Rows(
    id="bigint",
    connection_id="bigint",
    source_id="int",
    number="smallint",
    xid="bigint",
    position="int",
    day="date",
    most="int",
)
_NEXT = Prepared(f"""
SELECT id, xid, position, day::text, message_id, user_key, payload, (SELECT EXISTS (
    SELECT FROM destinations_delivery WHERE state IN ('failed', 'waiting'))) AND EXISTS (
    SELECT FROM destinations_delivery d
    WHERE d.connection_id = found.connection_id AND d.lane = found.lane AND d.user_key = found.user_key
      AND d.replay = 0 AND d.state IN ('failed', 'waiting')) AS held,
    (SELECT version FROM ingest_configversion) AS config_version
FROM (
    SELECT l.id, l.connection_id, e.*,
        coalesce(sum(octet_length(e.payload)) OVER (
            ORDER BY e.nth, e.xid, e.position, l.id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS bytes_before
    FROM {ASKED.sql} l {ASKED.columns}
    CROSS JOIN LATERAL (
        SELECT e.*, row_number() OVER (ORDER BY e.xid, e.position) AS nth FROM ingest_event e
        WHERE e.source_id = l.source_id AND e.lane = l.number AND (e.xid, e.position) > (l.xid, l.position)
          AND e.xid < {HORIZON} AND e.day >= l.day - 1 AND e.day >= %(first_day)s::date - 1
        ORDER BY e.xid, e.position LIMIT l.most
    ) e
) found
WHERE bytes_before < %(most_bytes)s::bigint
""")

# A user's queue of rows, oldest first, if its head is due.
_MINE = Rows(
    id="bigint", connection_id="bigint", source_id="int", number="smallint", replay="bigint", skipped="pg_snapshot"
)
_QUEUES = Prepared(f"""
WITH mine AS (SELECT * FROM {_MINE.sql} l {_MINE.columns}),
heads AS (
    SELECT DISTINCT ON (d.connection_id, d.replay, d.lane, d.user_key)
        m.id, m.source_id, m.skipped, d.connection_id, d.replay, d.lane, d.user_key, d.next_attempt_at, d.xid,
        d.position
    FROM destinations_delivery d
    JOIN mine m ON m.connection_id = d.connection_id AND m.replay = d.replay AND m.number = d.lane
    WHERE d.state IN ('failed', 'waiting')
    ORDER BY d.connection_id, d.replay, d.lane, d.user_key, d.xid, d.position
),
due AS (SELECT * FROM heads
        WHERE (next_attempt_at IS NULL OR next_attempt_at <= now()
               OR pg_visible_in_snapshot(xid::text::xid8, skipped))
          AND (replay = 0 OR NOT {live_row("heads")})
        ORDER BY next_attempt_at NULLS FIRST LIMIT %(most)s)
SELECT id, xid, position, day::text, message_id, user_key, payload, attempts, first_failed_at, is_dead_letter
FROM (
    SELECT h.id, d.xid, d.position, d.day, d.message_id, d.user_key, coalesce(e.payload, letter.payload) AS payload,
        d.attempts, d.first_failed_at,
        coalesce(letter.state = 'aborted', false) AS is_dead_letter,
        coalesce(sum(octet_length(coalesce(e.payload, letter.payload))) OVER (
            ORDER BY d.nth, h.next_attempt_at NULLS FIRST, d.id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS bytes_before
    FROM due h
    CROSS JOIN LATERAL (
        SELECT d.*, row_number() OVER (ORDER BY d.xid, d.position) AS nth FROM destinations_delivery d
        WHERE d.connection_id = h.connection_id AND d.replay = h.replay AND d.lane = h.lane
          AND d.user_key = h.user_key AND d.state IN ('failed', 'waiting') AND (h.replay = 0 OR NOT {live_row("d")})
        ORDER BY d.xid, d.position LIMIT 50
    ) d
    LEFT JOIN ingest_event e ON e.day = d.day AND e.source_id = h.source_id AND e.message_id = d.message_id
    LEFT JOIN destinations_delivery letter ON h.replay > 0 AND letter.connection_id = h.connection_id
        AND letter.xid = d.xid AND letter.position = d.position AND letter.replay = 0
) found
WHERE bytes_before < {READ_BYTES}
ORDER BY id, user_key, xid, position
""")

_OPEN_ROW = """
SELECT d.xid, d.position, d.day::text, d.message_id, d.user_key, coalesce(e.payload, letter.payload),
    d.attempts, d.first_failed_at, false
FROM destinations_delivery d
LEFT JOIN ingest_event e ON e.day = d.day AND e.source_id = %s AND e.message_id = d.message_id
LEFT JOIN destinations_delivery letter ON d.replay > 0 AND letter.connection_id = d.connection_id
    AND letter.xid = d.xid AND letter.position = d.position AND letter.replay = 0
WHERE d.connection_id = %s AND d.replay = %s AND d.xid = %s AND d.position = %s AND d.state IN ('failed', 'waiting')
"""

_OF_LANES = Rows(id="bigint", connection_id="bigint", replay="bigint", number="smallint")
_WAITING = Prepared(f"""
SELECT l.id, count(d.id) FROM {_OF_LANES.sql} l {_OF_LANES.columns}
LEFT JOIN destinations_delivery d ON d.connection_id = l.connection_id AND d.replay = l.replay AND d.lane = l.number
  AND d.state IN ('failed', 'waiting')
GROUP BY l.id
""")

_HAS_WORK = Prepared(f"""
WITH {CONNECTED}, {DUE}
SELECT EXISTS (
    SELECT FROM destinations_lane l JOIN connected c ON c.id = l.connection_id
    WHERE {OF_CONNECTED} AND l.claim_id IS NULL AND NOT {IS_BARRED}
      AND CASE WHEN l.replay > 0 THEN {REPLAY_HAS_NEXT} ELSE
        {has_next_settled_unless("unsettled")}
        OR (l.connection_id, l.replay, l.number) IN (SELECT connection_id, replay, lane FROM due) END)
""")


_CURSORS = Rows(source_id="int", number="smallint", xid="bigint", position="int", day="date")
_UNSETTLED = Prepared(f"""
SELECT 1 FROM {_CURSORS.sql} l {_CURSORS.columns}
WHERE (SELECT 1 FROM ingest_event e
       WHERE e.source_id = l.source_id AND e.lane = l.number AND (e.xid, e.position) > (l.xid, l.position)
         AND e.day >= l.day - 1 LIMIT 1) IS NOT NULL
LIMIT 1
""")


@dataclass(slots=True)
class Owed:
    """One event owed to a connection: fresh from the log, or a row of a held user."""

    lane: ClaimedLane
    place: Place
    day: str
    message_id: str
    user_key: str
    payload: str | None  # None: the log no longer has it
    held: bool = False  # the user had rows when this was read
    is_row: bool = False
    event: dict[str, Any] | None = None  # the payload parsed, once somebody needed it
    attempts: int = 0
    first_failed_at: datetime | None = None
    is_dead_letter: bool = False  # of a replay: it is aborted as yet
    selected: bool = True  # of a replay: not filtered out as it was read
    config_version: int = 0  # of the log: as it was when this was read; older configuration must not decide about it

    @property
    def size(self) -> int:
        """Characters of the payload: roughly what it takes in memory."""
        return len(self.payload or "")

    @property
    def user(self) -> tuple[int, str]:
        """What order is kept for, within the claim."""
        return (self.lane.id, self.user_key)


class Ask(NamedTuple):
    """Up to `most` more events of a lane. Made in the event loop, since a thread would see the progress change."""

    lane: ClaimedLane
    after: Place
    day: str
    most: int

    @classmethod
    def more(cls, lane: ClaimedLane, most: int) -> "Ask":
        """What follows what was read of the lane so far."""
        return cls(lane, lane.progress.read_to, lane.progress.day, most)

    @property
    def row(self) -> tuple[Any, ...]:
        """As ASKED has it."""
        lane = self.lane
        return lane.id, lane.connection_id, lane.source_id, lane.number, *self.after, self.day, self.most


def next_events(raw: Connection, asked: Sequence[Ask], most_bytes: int = READ_BYTES) -> list[Owed]:
    """The next events of each lane asked for, in order per lane."""
    if not asked:
        return []
    lanes = {ask.lane.id: ask.lane for ask in asked}
    with raw.cursor() as cursor:
        parameters = {"most_bytes": most_bytes, "first_day": min(ask.day for ask in asked)}
        _NEXT.execute(cursor, parameters | ASKED.parameters(ask.row for ask in asked))
        rows = cursor.fetchall()
    rows.sort(key=lambda row: row[1:3])
    return [
        Owed(lanes[lane_id], (xid, position), day, message_id, user_key, payload, held, config_version=version)
        for lane_id, xid, position, day, message_id, user_key, payload, held, version in rows
    ]


def due_queues(
    raw: Connection, lanes: Iterable[ClaimedLane], skip: Skip | None, most: int = DUE_USERS
) -> list[list[Owed]]:
    """The first rows of up to `most` held users whose head is due or to be skipped: a list per user, oldest first."""
    by_id = {lane.id: lane for lane in lanes}
    if not by_id:
        return []
    snapshot = skip.snapshot if skip else None
    values = [
        (lane.id, lane.connection_id, lane.source_id, lane.number, lane.replay, None if lane.replay else snapshot)
        for lane in by_id.values()
    ]
    with raw.cursor() as cursor:
        _QUEUES.execute(cursor, {"most": most, **_MINE.parameters(values)})
        rows = cursor.fetchall()
    queues: dict[tuple[int, str], list[Owed]] = {}
    for row in rows:
        owed = _row_owed(by_id[row[0]], row)
        queues.setdefault(owed.user, []).append(owed)
    return list(queues.values())


def open_row(raw: Connection, lane: ClaimedLane, place: Place) -> Owed | None:
    """The failed or waiting row of an event, due or not."""
    with raw.cursor() as cursor:
        cursor.execute(_OPEN_ROW, [lane.source_id, lane.connection_id, lane.replay, *place])
        row = cursor.fetchone()
        return _row_owed(lane, (lane.id, *row)) if row else None


def held_counts(raw: Connection, lanes: Iterable[ClaimedLane]) -> dict[int, int]:
    """How many rows wait or failed in each lane, by lane id."""
    values = [(lane.id, lane.connection_id, lane.replay, lane.number) for lane in lanes]
    if not values:
        return {}
    with raw.cursor() as cursor:
        _WAITING.execute(cursor, _OF_LANES.parameters(values))
        return dict(cursor.fetchall())


def has_work(raw: Connection, destination_id: int, *, unsettled: bool) -> bool:
    """Whether free lanes have events or due heads; `unsettled`: events above the horizon count too."""
    with raw.cursor() as cursor:
        _HAS_WORK.execute(cursor, {"destination": destination_id, "unsettled": unsettled})
        row = cursor.fetchone()
        return bool(row and row[0])


def unsettled(raw: Connection, lanes: Iterable[ClaimedLane]) -> bool:
    """Whether these live lanes have events after what was read of them, above the horizon too."""
    live = [lane for lane in lanes if not lane.replay]
    values = [(lane.source_id, lane.number, *lane.progress.read_to, lane.progress.day) for lane in live]
    if not values:
        return False
    with raw.cursor() as cursor:
        _UNSETTLED.execute(cursor, _CURSORS.parameters(values))
        return cursor.fetchone() is not None


def _row_owed(lane: ClaimedLane, row: tuple[Any, ...]) -> Owed:
    _, xid, position, day, message_id, user_key, payload, attempts, first_failed_at, is_dead_letter = row
    return Owed(
        lane,
        (xid, position),
        day,
        message_id,
        user_key,
        payload,
        True,
        True,
        None,
        attempts,
        first_failed_at,
        is_dead_letter,
    )
