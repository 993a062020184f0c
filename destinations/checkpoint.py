"""Checkpoints: one statement that makes a link's progress durable, or tells it that its claim is lost.

Appended, never updated, so that a long reader (a dump) cannot slow forwarding down; rows of exceptional events and
attempts go into the same transaction. Must never run while the outcome of an earlier checkpoint is unknown.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from psycopg2.errors import UniqueViolation
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values

from destinations.lanes import FENCE, ClaimedLane
from rudderproj.prepared import Prepared

_CHECKPOINT = Prepared(f"""
WITH fence AS ({FENCE}),
pruned AS (DELETE FROM destinations_checkpoint c USING fence WHERE c.claim_id = fence.id AND c.seq < %(seq)s::int - 1)
INSERT INTO destinations_checkpoint (claim_id, seq, lanes) SELECT id, %(seq)s::int, %(lanes)s::jsonb FROM fence
""")

_ROWS = """
INSERT INTO destinations_delivery (connection_id, lane, user_key, xid, position, day, message_id, state, reason,
    attempts, first_failed_at, next_attempt_at, payload, request, response, replay, created_at, updated_at)
SELECT v.*, now(), now() FROM (VALUES %s) v
ON CONFLICT (connection_id, xid, position, replay) DO UPDATE SET state = excluded.state, reason = excluded.reason,
    attempts = excluded.attempts, first_failed_at = excluded.first_failed_at,
    next_attempt_at = excluded.next_attempt_at, payload = excluded.payload,
    request = excluded.request, response = excluded.response, updated_at = now()
"""
_ROW = (
    "(%s::bigint, %s::smallint, %s, %s::bigint, %s::int, %s::date, %s, %s, %s, %s::int,"
    " %s::timestamptz, %s::timestamptz, %s, %s::jsonb, %s::jsonb, %s::bigint)"
)

_ATTEMPTS = """
INSERT INTO destinations_attempt (connection_id, xid, position, message_id, at, status, outcome, error, response,
    duration_ms, replay)
VALUES %s
"""

# The followers of a head that was given up do not get a new retry window each.
_INHERIT = """
UPDATE destinations_delivery d SET first_failed_at = v.since
FROM (VALUES %s) v (connection_id, replay, lane, user_key, since)
WHERE d.connection_id = v.connection_id AND d.replay = v.replay AND d.lane = v.lane AND d.user_key = v.user_key
  AND d.state = 'waiting' AND d.first_failed_at IS NULL
"""


# A replay delivered dead letters: they are none any more, and the connection's counts say so at the same instant.
_RECOVER = """
WITH recovered AS (
    UPDATE destinations_delivery d SET state = 'delivered', reason = 'replay ' || v.by, updated_at = now()
    FROM (VALUES %s) v (connection_id, xid, position, by)
    WHERE d.connection_id = v.connection_id AND d.xid = v.xid AND d.position = v.position AND d.replay = 0
      AND d.state = 'aborted'
    RETURNING d.connection_id
)
INSERT INTO destinations_recovery (connection_id, events)
SELECT connection_id, count(*) FROM recovered GROUP BY connection_id ORDER BY connection_id
ON CONFLICT (connection_id) DO UPDATE SET events = destinations_recovery.events + excluded.events
"""


@dataclass(frozen=True, slots=True)
class Row:
    """An exceptional event as it shall stand in destinations_delivery."""

    connection_id: int
    lane: int
    user_key: str
    xid: int
    position: int
    day: str
    message_id: str
    state: str
    reason: str
    attempts: int = 0
    first_failed_at: datetime | None = None
    next_attempt_at: datetime | None = None
    payload: str | None = None
    request: str | None = None  # JSON, secrets masked
    response: str | None = None  # JSON, capped
    replay: int = 0


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One try, as it shall stand in destinations_attempt."""

    connection_id: int
    xid: int
    position: int
    message_id: str
    at: datetime
    status: int | None
    outcome: str
    error: str
    response: str
    duration_ms: int
    replay: int = 0


@dataclass(slots=True)
class Changes:
    """What a checkpoint writes besides the progress."""

    rows: dict[tuple[int, int, int, int], Row] = field(default_factory=dict)  # by what is unique: the last wins
    attempts: list[AttemptRow] = field(default_factory=list)
    given_up: list[tuple[int, int, int, str, datetime]] = field(default_factory=list)  # columns of _INHERIT
    recovered: list[tuple[int, int, int, int]] = field(default_factory=list)  # (connection, xid, position, replay)

    def put(self, row: Row) -> None:
        """Write this row, in place of an earlier state of the same event."""
        self.rows[row.connection_id, row.xid, row.position, row.replay] = row

    def __bool__(self) -> bool:
        return bool(self.rows or self.attempts or self.given_up or self.recovered)


def progress_json(lanes: Iterable[ClaimedLane]) -> str:
    """The progress of a claim's lanes as a checkpoint keeps it; lanes that nothing was done with are as their rows say.

    Cheap: called in the event loop, between two sends.
    """
    return orjson.dumps({str(lane.id): lane.progress.as_json() for lane in lanes if lane.progress.is_touched}).decode()


def write(raw: Connection, token: int, seq: int, progress: str, changes: Changes) -> bool:
    """Store progress and changes together, as number `seq` of the claim (from 1, without holes).

    False: the claim is lost and nothing was written. Raises psycopg2.Error when the outcome is unknown: then the
    caller must drop its lanes.
    """
    parameters = {"token": token, "seq": seq, "lanes": progress}
    if not changes:
        with raw.cursor() as cursor:
            return _insert(cursor, parameters)
    raw.autocommit = False
    try:
        with raw, raw.cursor() as cursor:
            if not _insert(cursor, parameters):
                return False
            _write_changes(cursor, changes)
            return True
    finally:
        if not raw.closed:
            raw.autocommit = True


def _insert(cursor: Any, parameters: dict[str, Any]) -> bool:
    try:
        _CHECKPOINT.execute(cursor, parameters)
    except UniqueViolation:  # somebody else writes under this token: never two
        return False
    return bool(cursor.rowcount == 1)


def _write_changes(cursor: Any, changes: Changes) -> None:
    # In one order, as who closes the breaker changes them: each would wait for what the other has.
    _insert_rows(cursor, _ROWS, [_values(row) for _, row in sorted(changes.rows.items())], _ROW)
    _insert_rows(cursor, _ATTEMPTS, [_values(attempt) for attempt in changes.attempts])
    _insert_rows(cursor, _INHERIT, changes.given_up, "(%s::bigint, %s::bigint, %s::smallint, %s, %s::timestamptz)")
    _insert_rows(cursor, _RECOVER, sorted(changes.recovered), "(%s::bigint, %s::bigint, %s::int, %s::bigint)")


def _values(row: Row | AttemptRow) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in row.__slots__)


def _insert_rows(cursor: Any, statement: str, rows: Sequence[tuple[Any, ...]], template: str | None = None) -> None:
    if rows:
        execute_values(cursor, statement, rows, template=template, page_size=len(rows))
