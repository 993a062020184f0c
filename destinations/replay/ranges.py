"""Where each lane of a replay starts and ends. Must never write, and never walks the log.

An end is where the live lane stood, at most: what was pending then is delivered live anyway, and a replay that went on
would overtake it. A dead letter's user has nothing pending before it, so that dead letters end at their last.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values

from destinations.progress import Place
from destinations.replay import times
from destinations.replay.selection import BadSelection, Selection
from ingest.hashing import lane_of

BEGINNING = date(1970, 1, 1)

_CONNECTIONS = """
SELECT c.id, c.source_id FROM destinations_connection c
WHERE c.destination_id = %(destination)s AND (%(source)s IS NULL OR c.source_id = %(source)s)
"""

_LIVE = """
SELECT l.connection_id, l.number, l.xid, l.position FROM destinations_effective_lane l
WHERE l.connection_id = ANY(%(connections)s) AND (%(lane)s IS NULL OR l.number = %(lane)s)
ORDER BY l.connection_id, l.number
"""

VALUES = "(VALUES %s) l (connection_id, source_id, number, xid, position, day, end_xid, end_position)"
VALUES_ROW = "(%s::bigint, %s::int, %s::smallint, %s::bigint, %s::int, %s::date, %s::bigint, %s::int)"
BETWEEN = (
    "e.source_id = l.source_id AND e.lane = l.number AND e.day >= l.day - 1"
    " AND (e.xid, e.position) > (l.xid, l.position) AND (e.xid, e.position) < (l.end_xid, l.end_position)"
)
_NOT_EMPTY = f"SELECT l.connection_id, l.number FROM {VALUES} WHERE EXISTS (SELECT FROM ingest_event e WHERE {BETWEEN})"

LETTERS = """
FROM destinations_delivery d WHERE d.connection_id = ANY(%(connections)s) AND d.replay = 0 AND d.state = 'aborted'
  AND (%(since)s IS NULL OR d.updated_at >= %(since)s) AND (%(until)s IS NULL OR d.updated_at < %(until)s)
  AND (%(user)s = '' OR d.user_key = %(user)s) AND (%(reason)s = '' OR d.reason = %(reason)s)
"""
_LETTER_RANGES = f"""
SELECT d.connection_id, d.lane, min(ARRAY[d.xid, d.position]), max(ARRAY[d.xid, d.position]), min(d.day), count(*)
{LETTERS} GROUP BY d.connection_id, d.lane ORDER BY d.connection_id, d.lane
"""
_PICKED_LETTERS = f"""
SELECT d.connection_id, d.lane, d.xid, d.position, d.day, d.message_id
{LETTERS} AND (d.message_id = ANY(%(messages)s) OR d.id = ANY(%(deliveries)s))
"""

# A partition is a day, named by it: with the day known, its primary key finds the event.
_PICKED_EVENTS = """
SELECT c.id, e.lane, e.xid, e.position, e.day, e.message_id
FROM destinations_connection c
CROSS JOIN (SELECT to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') AS day FROM pg_inherits
            WHERE inhparent = 'ingest_event'::regclass) partition
CROSS JOIN unnest(%(messages)s) wanted (message_id)
CROSS JOIN LATERAL (
    SELECT * FROM ingest_event e
    WHERE e.day = partition.day AND e.source_id = c.source_id AND e.message_id = wanted.message_id
) e
JOIN destinations_effective_lane l ON l.connection_id = c.id AND l.number = e.lane
WHERE c.id = ANY(%(connections)s) AND (e.xid, e.position) <= (l.xid, l.position)
  AND (%(user)s = '' OR e.user_key = %(user)s)
  AND (%(since)s IS NULL OR e.received_at >= %(since)s) AND (%(until)s IS NULL OR e.received_at < %(until)s)
"""


class Range(NamedTuple):
    """What a lane reads: events after `start` and before `end`; of them only the picks, if there are any."""

    connection_id: int
    source_id: int
    number: int
    start: Place
    day: date
    end: Place
    picks: tuple[Place, ...] | None = None

    @property
    def values(self) -> tuple[Any, ...]:
        """A row of VALUES."""
        return (*self[:3], *self.start, self.day, *self.end)


class Found(NamedTuple):
    """The ranges; how many events, where that is known already; and what was picked but is not there."""

    ranges: list[Range]
    events: int | None = None
    missing: tuple[str, ...] = ()


def find(raw: Connection, selection: Selection) -> Found:
    """The ranges of a selection. Raises BadSelection."""
    with raw.cursor() as cursor:
        wanted = {"destination": selection.destination_id, "source": selection.source_id}
        cursor.execute(_CONNECTIONS, wanted)
        sources: dict[int, int] = dict(cursor.fetchall())
    if not sources:
        raise BadSelection("the destination is not connected" + (" to that source" if selection.source_id else ""))
    if selection.is_picked:
        return _picked(raw, selection, sources)
    return _letters(raw, selection, sources) if selection.of_dead_letters else _log(raw, selection, sources)


def parameters(selection: Selection, connections: Iterable[int]) -> dict[str, Any]:
    """Of LETTERS and what is made of it."""
    return {
        "connections": list(connections),
        "since": selection.since,
        "until": selection.until,
        "user": selection.user_key,
        "reason": selection.reason,
        "messages": list(selection.message_ids),
        "deliveries": list(selection.delivery_ids),
    }


def with_values(raw: Connection, statement: str, ranges: Sequence[Range]) -> list[tuple[Any, ...]]:
    """Run a statement over VALUES."""
    if not ranges:
        return []
    rows = [found.values for found in ranges]
    with raw.cursor() as cursor:
        found = execute_values(cursor, statement, rows, template=VALUES_ROW, page_size=len(rows), fetch=True)
    return list(found)


def _log(raw: Connection, selection: Selection, sources: Mapping[int, int]) -> Found:
    source_ids = sorted(set(sources.values()))
    start, day, until = (0, -1), BEGINNING, None
    if selection.since:
        since = selection.since - times.MARGIN
        start, day = (times.first_xid(raw, source_ids, since), -1), since.date()
    if selection.until:
        until = (times.first_xid(raw, source_ids, selection.until + times.MARGIN), 0)
    with raw.cursor() as cursor:
        lane = lane_of(selection.user_key) if selection.user_key else None
        cursor.execute(_LIVE, {"connections": list(sources), "lane": lane})
        ranges = [
            Range(connection, sources[connection], number, start, day, min((xid, position + 1), until or (xid + 1, 0)))
            for connection, number, xid, position in cursor.fetchall()
        ]
    not_empty = {(row[0], row[1]) for row in with_values(raw, _NOT_EMPTY, ranges)}
    return Found([found for found in ranges if (found.connection_id, found.number) in not_empty])


def _letters(raw: Connection, selection: Selection, sources: Mapping[int, int]) -> Found:
    with raw.cursor() as cursor:
        cursor.execute(_LETTER_RANGES, parameters(selection, sources))
        rows = cursor.fetchall()
    ranges = [
        Range(connection, sources[connection], number, (first[0], first[1] - 1), day, (last[0], last[1] + 1))
        for connection, number, first, last, day, _ in rows
    ]
    return Found(ranges, sum(row[-1] for row in rows))


def _picked(raw: Connection, selection: Selection, sources: Mapping[int, int]) -> Found:
    with raw.cursor() as cursor:
        statement = _PICKED_LETTERS if selection.of_dead_letters else _PICKED_EVENTS
        cursor.execute(statement, parameters(selection, sources))
        rows = cursor.fetchall()
    places: dict[tuple[int, int], list[Place]] = defaultdict(list)
    days: dict[tuple[int, int], date] = {}
    for connection, number, xid, position, day, _ in rows:
        places[connection, number].append((xid, position))
        days[connection, number] = min(day, days.get((connection, number), day))
    ranges = []
    for (connection, number), picks in sorted(places.items()):
        picks.sort()
        (first_xid, first), (last_xid, last) = picks[0], picks[-1]
        start, end = (first_xid, first - 1), (last_xid, last + 1)
        day = days[connection, number]
        ranges.append(Range(connection, sources[connection], number, start, day, end, tuple(picks)))
    found = {row[-1] for row in rows}
    missing = tuple(name for name in selection.message_ids if name not in found)
    return Found(ranges, len(rows), missing)
