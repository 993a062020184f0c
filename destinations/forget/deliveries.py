"""A person's rows at connections: held ones are given up and counted as skipped, and nothing readable is left of any.

A held row is settled only while nobody forwards its lane, so that a link at work cannot write it again; its claim is
taken away. Attempts keep when and what came of them, and lose what was said.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values

from destinations import lanes
from destinations.forget.events import Logged
from destinations.forget.person import Person, parsed, pseudonym
from ingest.tombstone import TYPE, is_tombstone, tombstone

IDS = 5000  # rows looked at in one statement
BATCH_ROWS = 200
TRIES = 20  # to have a lane to ourselves

_COLUMNS = """
d.id, d.state, d.connection_id, c.destination_id, l.id, d.xid, d.position, d.user_key, d.message_id,
d.payload IS NOT NULL, coalesce(d.payload, e.payload)
FROM destinations_delivery d JOIN destinations_connection c ON c.id = d.connection_id
LEFT JOIN destinations_lane l ON l.connection_id = d.connection_id AND l.replay = d.replay AND l.number = d.lane
LEFT JOIN ingest_event e ON e.day = d.day AND e.source_id = c.source_id AND e.message_id = d.message_id
"""
_SCAN = f"""
SELECT {_COLUMNS}
WHERE d.id > %(after)s AND d.id <= %(after)s + {IDS} AND (%(source)s IS NULL OR c.source_id = %(source)s)
  AND (d.user_key = ANY(%(keys)s) OR strpos(coalesce(d.payload, ''), %(needle)s) > 0)
"""
_OF_EVENTS = f"""
SELECT {_COLUMNS}
JOIN (VALUES %s) v (source_id, xid, position) ON c.source_id = v.source_id AND d.xid = v.xid AND d.position = v.position
WHERE NOT starts_with(d.user_key, 'forgotten:')
"""

# Whose lanes still have these events ahead: their links may hold them in memory, as they were.
_AHEAD = """
SELECT DISTINCT c.destination_id FROM (VALUES %s) v (source_id, lane, xid, position)
JOIN destinations_connection c ON c.source_id = v.source_id
JOIN destinations_effective_any_lane l ON l.connection_id = c.id AND l.number = v.lane
WHERE (l.xid, l.position) < (v.xid, v.position) AND EXISTS (
    SELECT FROM destinations_claim k WHERE k.destination_id = c.destination_id)
"""

_SETTLE = f"""
WITH lane AS MATERIALIZED (
    SELECT id FROM destinations_lane WHERE id = %(lane)s AND claim_id IS NULL FOR UPDATE
), rows AS (
    UPDATE destinations_delivery SET state = 'skipped', reason = '{TYPE}', next_attempt_at = NULL, updated_at = now()
    WHERE id = ANY(%(ids)s) AND state IN ('failed', 'waiting') AND EXISTS (SELECT FROM lane)
    RETURNING 1
)
UPDATE destinations_lane l SET skipped = l.skipped + (SELECT count(*) FROM rows) FROM lane WHERE l.id = lane.id
RETURNING (SELECT count(*) FROM rows)
"""
_CLEAR = f"""
UPDATE destinations_delivery d SET user_key = v.user_key, payload = v.payload, request = NULL, response = NULL,
    reason = CASE WHEN d.reason = '' THEN '' ELSE '{TYPE}' END
FROM (VALUES %s) v (id, user_key, payload) WHERE d.id = v.id
"""
_CLEAR_ATTEMPTS = "UPDATE destinations_attempt a SET error = '', response = '' FROM "
_FIND_ATTEMPTS = "SELECT FROM destinations_attempt a, "
_SAID = """
(VALUES %s) v (connection_id, xid, position)
WHERE a.connection_id = v.connection_id AND a.xid = v.xid AND a.position = v.position
  AND (a.error <> '' OR a.response <> '')
"""


class LaneBusy(Exception):
    """A lane was claimed again and again: its rows are not erased yet. Run again."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of destinations_delivery that is theirs."""

    id: int
    state: str
    connection_id: int
    destination_id: int
    lane_id: int | None
    xid: int
    position: int
    user_key: str
    message_id: str
    has_payload: bool
    type: str
    named: bool  # it carries their id: erased last, since it tells of their devices

    @property
    def place(self) -> tuple[int, int, int]:
        """Connection, xid and position."""
        return self.connection_id, self.xid, self.position

    @property
    def is_held(self) -> bool:
        return self.state in {"failed", "waiting"}


@dataclass(slots=True)
class Erased:
    """How many rows, how many of them had been owed, and how many attempts."""

    deliveries: int = 0
    given_up: int = 0
    attempts: int = 0

    def add(self, other: "Erased") -> None:
        """Add another's numbers."""
        self.deliveries += other.deliveries
        self.given_up += other.given_up
        self.attempts += other.attempts


def find(raw: Connection, person: Person, source_id: int | None) -> Iterator[Kept]:
    """Their rows, wherever the log's copy may be."""
    values = {"source": source_id, "keys": person.keys, "needle": person.needle}
    with raw.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM destinations_delivery")
        (last,) = cursor.fetchone() or (0,)
        for after in range(0, last, IDS):
            cursor.execute(_SCAN, values | {"after": after})
            for *columns, payload in cursor.fetchall():
                event = parsed(payload)
                known = event is not None and not is_tombstone(event)
                if not known or person.owns(event or {}):
                    kind = str((event or {}).get("type", ""))
                    yield Kept(*[*columns, kind, known and person.is_named_in(event or {})])


def devices_in(raw: Connection, person: Person, source_id: int | None) -> Person:
    """What dead letters tell of their devices."""
    values = {"source": source_id, "keys": [person.id], "needle": person.needle}
    with raw.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM destinations_delivery")
        (last,) = cursor.fetchone() or (0,)
        for after in range(0, last, IDS):
            cursor.execute(_SCAN, values | {"after": after})
            for *_, payload in cursor.fetchall():
                person = person.with_devices_of(parsed(payload) or {})
    return person


def stop_links(raw: Connection, events: Sequence[Logged]) -> None:
    """Take their claims from links that may still hold these events: what they remember is not written any more."""
    values = [(event.source_id, event.lane, event.xid, event.position) for event in events]
    with raw.cursor() as cursor:
        execute_values(cursor, _AHEAD, values, page_size=len(values))
        destination_ids = [row[0] for row in cursor.fetchall()]
    for destination_id in destination_ids:
        lanes.revoke(raw, destination_id)


def of_events(raw: Connection, events: Sequence[Logged]) -> list[Kept]:
    """The rows of these events at any connection."""
    values = [(event.source_id, event.xid, event.position) for event in events]
    with raw.cursor() as cursor:
        execute_values(cursor, _OF_EVENTS, values, page_size=len(values))
        return [
            Kept(*[*columns, str((parsed(payload) or {}).get("was", "")), True])
            for *columns, payload in cursor.fetchall()
        ]


def erase(raw: Connection, rows: Sequence[Kept]) -> Erased:
    """Settle what is held of these rows, and leave nothing readable. Raises LaneBusy."""
    erased = Erased()
    for start in range(0, len(rows), BATCH_ROWS):
        batch = rows[start : start + BATCH_ROWS]
        erased.given_up += _settle_held(raw, [row for row in batch if row.is_held])
        erased.attempts += attempts(raw, [row.place for row in batch], erase=True)  # first: rows tell whose they are
        values = [
            (row.id, pseudonym(row.user_key), tombstone(row.message_id, row.type) if row.has_payload else None)
            for row in batch
        ]
        with raw.cursor() as cursor:
            execute_values(cursor, _CLEAR, values, template="(%s::bigint, %s, %s::text)", page_size=len(values))
            erased.deliveries += cursor.rowcount
    return erased


def attempts(raw: Connection, places: Sequence[tuple[int, int, int]], *, erase: bool) -> int:
    """Clear what was said in attempts at (connection, xid, position), or only count them."""
    if not places:
        return 0
    with raw.cursor() as cursor:
        statement = (_CLEAR_ATTEMPTS if erase else _FIND_ATTEMPTS) + _SAID
        execute_values(cursor, statement, places, page_size=len(places))
        return int(cursor.rowcount)


def _settle_held(raw: Connection, rows: Sequence[Kept]) -> int:
    by_lane: dict[tuple[int, int | None], list[int]] = defaultdict(list)
    for row in rows:
        by_lane[row.destination_id, row.lane_id].append(row.id)
    return sum(_settle_lane(raw, *lane, ids) for lane, ids in by_lane.items())


def _settle_lane(raw: Connection, destination_id: int, lane_id: int | None, ids: list[int]) -> int:
    if lane_id is None:  # of a replay that has ended: nobody counts them
        return 0
    for _ in range(TRIES):
        with raw.cursor() as cursor:
            cursor.execute(_SETTLE, {"lane": lane_id, "ids": ids})
            if row := cursor.fetchone():
                return int(row[0])
        lanes.revoke(raw, destination_id)
    raise LaneBusy(f"destination {destination_id} claims its lanes again and again; run this once more")
