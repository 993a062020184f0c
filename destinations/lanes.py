"""Claiming lanes: who may forward which users' events now.

A claim is a lease with a fencing token (its id): whatever a holder writes is conditional on the claim still being there
and not expired, so a holder that was stopped and wakes up late can change nothing. Must never keep a transaction open
while a request is in flight.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import orjson
from psycopg2.errors import UniqueViolation
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations.owner import is_dead
from destinations.progress import Place, Progress
from destinations.servable import CONNECTED, DUE, OF_CONNECTED, REPLAY_HAS_NEXT, has_next
from destinations.suspects.looking import IS_BARRED, MAY_BE_SENT
from rudderproj.prepared import Prepared, Rows, execute_together

LANE_ROWS = 1000  # failed and waiting rows of a lane beyond which its cursor stops instead

# KEY SHARE does not get in the way of a renewal, but whoever takes over must wait for it.
_VALID = "SELECT id FROM destinations_claim WHERE id = %(token)s AND expires_at > clock_timestamp()"
FENCE = f"{_VALID} FOR KEY SHARE"

_OPEN = Prepared("""
INSERT INTO destinations_claim (destination_id, slot, owner, expires_at)
SELECT %(destination)s::bigint, free.slot, %(owner)s::text,
    clock_timestamp() + %(seconds)s::float8 * interval '1 second'
FROM generate_series(0, %(slots)s::int - 1) free (slot)
WHERE NOT EXISTS (SELECT FROM destinations_claim c WHERE c.destination_id = %(destination)s AND c.slot = free.slot)
ORDER BY free.slot LIMIT 1
ON CONFLICT DO NOTHING RETURNING id
""")

_COLUMNS = """
l.id, l.connection_id, wanted.source_id, l.number, l.replay, l.end_xid, l.end_position, l.picks,
l.xid, l.position, l.day, l.beyond, l.delivered, l.aborted, l.skipped, l.filtered
"""

# Free lanes with an event below the horizon after their cursor, or with a held user whose head is due; the ones
# furthest behind first, so that none starves. The fence comes last: a lock is a write, and a look in vain must be none.
_TAKE = f"""
WITH {CONNECTED}, {DUE}, {{named}}
wanted AS (
    SELECT l.id, c.source_id
    FROM destinations_lane l JOIN connected c ON c.id = l.connection_id
    WHERE {{among}} AND l.claim_id IS NULL AND NOT {IS_BARRED} AND {{condition}}
    ORDER BY l.xid, l.position LIMIT %(limit)s FOR UPDATE OF l SKIP LOCKED
),
fence AS ({_VALID} AND EXISTS (SELECT FROM wanted) FOR KEY SHARE)
UPDATE destinations_lane l SET claim_id = fence.id FROM wanted, fence WHERE l.id = wanted.id
RETURNING {_COLUMNS}
"""

# The free ones of those that news named, found one by one: of all lanes of many sources they are few.
_NAMED = Rows(source_id="int", number="smallint")
_FREE_NAMED = f"""
named AS MATERIALIZED (
    SELECT l.id FROM {_NAMED.sql} n {_NAMED.columns} JOIN connected c ON c.source_id = n.source_id
    CROSS JOIN LATERAL (
        SELECT id FROM destinations_lane
        WHERE connection_id = c.id AND replay = 0 AND number = n.number AND claim_id IS NULL LIMIT 1
    ) l
),
"""


def _taking(condition: str, named: str = "", among: str = OF_CONNECTED) -> Prepared:
    return Prepared(_TAKE.format(condition=condition, named=named, among=among))


_TAKE_LIVE = _taking(
    f"l.replay = 0 AND ({has_next()}"
    " OR (l.connection_id, l.replay, l.number) IN (SELECT connection_id, replay, lane FROM due))"
)
_TAKE_NAMED = _taking(has_next(), _FREE_NAMED, "l.id = ANY (ARRAY(SELECT id FROM named))")
_TAKE_SPARE = _taking("l.replay = 0 AND c.off_from IS NULL")
_TAKE_REPLAYS = _taking(f"l.replay > 0 AND {REPLAY_HAS_NEXT}")


class Name(NamedTuple):
    """A lane as news name it."""

    source_id: int
    number: int


class Which(Enum):
    """Lanes that a claim may take."""

    LIVE = _TAKE_LIVE  # with work
    NAMED = _TAKE_NAMED  # live ones of those named, with an event
    SPARE = _TAKE_SPARE  # live ones, with work or not
    REPLAYS = _TAKE_REPLAYS  # with work


# The free lane of a suspect that none of its user comes before; whoever killed already first.
_TAKE_SUSPECT = f"""
WITH fence AS ({FENCE}),
wanted AS (
    SELECT l.id, c.source_id, s.id AS suspect, s.xid, s.position, s.user_key, s.message_id, s.deaths_alone, s.crashes
    FROM destinations_suspect s JOIN destinations_connection c ON c.id = s.connection_id
    JOIN destinations_lane l ON l.connection_id = s.connection_id AND l.number = s.lane AND l.replay = s.replay
    WHERE s.destination_id = %(destination)s AND s.state = 'open' AND s.id <> ALL(%(tried)s) AND {MAY_BE_SENT}
      AND l.claim_id IS NULL AND l.id <> ALL(%(had)s) AND EXISTS (SELECT FROM fence) AND NOT EXISTS (
        SELECT FROM destinations_suspect e
        WHERE e.state = 'open' AND e.connection_id = s.connection_id AND e.lane = s.lane AND e.replay = s.replay
          AND e.user_key = s.user_key AND (e.xid, e.position) < (s.xid, s.position))
    ORDER BY s.deaths_alone DESC, s.xid, s.position LIMIT 1 FOR UPDATE OF l SKIP LOCKED
)
UPDATE destinations_lane l SET claim_id = %(token)s FROM wanted WHERE l.id = wanted.id
RETURNING wanted.suspect, wanted.xid, wanted.position, wanted.user_key, wanted.message_id, wanted.deaths_alone,
    wanted.crashes, {_COLUMNS}
"""

# One claim of a destination may stand aside: more could fill the workers with nothing but hanging requests.
_STEP_ASIDE = """
UPDATE destinations_claim c SET slot = -1 WHERE id = %(token)s AND NOT EXISTS (
    SELECT FROM destinations_claim o WHERE o.destination_id = c.destination_id AND o.slot = -1)
"""

_RENEW = Prepared("""
UPDATE destinations_claim SET expires_at = clock_timestamp() + %(seconds)s::float8 * interval '1 second'
WHERE id = %(token)s AND expires_at > clock_timestamp()
""")

_RELEASED = Rows(
    id="bigint",
    xid="bigint",
    position="int",
    day="date",
    beyond="jsonb",
    delivered="bigint",
    aborted="bigint",
    skipped="bigint",
    filtered="jsonb",
)
_RELEASE = Prepared(f"""
WITH fence AS ({FENCE})
UPDATE destinations_lane l SET claim_id = NULL, xid = v.xid, position = v.position, day = v.day, beyond = v.beyond,
    delivered = v.delivered, aborted = v.aborted, skipped = v.skipped, filtered = v.filtered
FROM {_RELEASED.sql} v {_RELEASED.columns}, fence
WHERE l.id = v.id AND l.claim_id = fence.id
""")

_CLOSE = Prepared(f"""
WITH connected AS (SELECT id FROM destinations_connection WHERE destination_id = %(destination)s::bigint),
gone AS (
    DELETE FROM destinations_claim c WHERE c.id = %(token)s::bigint
        AND NOT EXISTS (SELECT FROM destinations_lane l WHERE {OF_CONNECTED} AND l.claim_id = %(token)s)
    RETURNING id
)
SELECT count(*) FROM gone
""")

_FOLD = """
UPDATE destinations_lane l SET claim_id = NULL, xid = e.xid, position = e.position, day = e.day, beyond = e.beyond,
    delivered = e.delivered, aborted = e.aborted, skipped = e.skipped, filtered = e.filtered
FROM destinations_effective_any_lane e
WHERE e.lane_id = l.id AND l.claim_id = ANY(%(tokens)s)
  AND l.connection_id IN (SELECT id FROM destinations_connection WHERE destination_id = %(destination)s)
"""


@dataclass(slots=True)
class ClaimedLane:
    """A lane this link may forward, with its progress."""

    id: int
    connection_id: int
    source_id: int
    number: int
    progress: Progress
    replay: int = 0  # 0: live
    end: Place | None = None  # of a replay: its events are before this
    picks: frozenset[Place] | None = None  # of a replay: only these


def open_claim(raw: Connection, destination_id: int, owner: str, slots: int, seconds: float) -> int | None:
    """Start a claim without lanes; its token, or None when `slots` links are at work already."""
    with raw.cursor() as cursor:
        parameters = {"destination": destination_id, "owner": owner, "slots": slots, "seconds": seconds}
        _OPEN.execute(cursor, parameters)
        row = cursor.fetchone()
        return int(row[0]) if row else None


def take(
    raw: Connection,
    token: int,
    destination_id: int,
    limit: int,
    which: Which = Which.LIVE,
    named: Sequence[Name] = (),
) -> list[ClaimedLane]:
    """Add up to `limit` free lanes, of those `named` if that is `which`. Empty too when the claim is lost."""
    if which is Which.NAMED and not named:
        return []
    with raw.cursor() as cursor:
        parameters = {"token": token, "destination": destination_id, "limit": limit}
        which.value.execute(cursor, parameters | (_NAMED.parameters(named) if named else {}))
        return [_claimed(row) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Suspect:
    """An event that was in flight when a process died, with its lane, claimed."""

    id: int
    place: Place
    user_key: str
    message_id: str
    deaths_alone: int
    crashes: list[str]
    lane: ClaimedLane


def take_suspect(raw: Connection, token: int, destination_id: int, tried: list[int], had: list[int]) -> Suspect | None:
    """Add the lane of an open suspect, none of those `tried`, nor a lane that the claim `had`.

    Whoever had it since may be further than the claim's last checkpoint says, which is believed while the claim has it.
    None when no such lane is free, or the claim is lost.
    """
    with raw.cursor() as cursor:
        values = {"token": token, "destination": destination_id, "tried": tried, "had": had}
        cursor.execute(_TAKE_SUSPECT, values)
        row = cursor.fetchone()
    if row is None:
        return None
    pk, xid, position, user_key, message_id, deaths_alone, crashes, *lane = row
    return Suspect(pk, (xid, position), user_key, message_id, deaths_alone, crashes, _claimed(tuple(lane)))


def step_aside(raw: Connection, token: int) -> None:
    """Leave the claim's slot to another link while its last lanes wait, unless another claim stands aside already."""
    with raw.cursor() as cursor, contextlib.suppress(UniqueViolation):
        cursor.execute(_STEP_ASIDE, {"token": token})


def renew(raw: Connection, token: int, seconds: float) -> bool:
    """Let the claim live for `seconds` from now; False when it is lost."""
    with raw.cursor() as cursor:
        _RENEW.execute(cursor, {"token": token, "seconds": seconds})
        return cursor.rowcount == 1


def release(raw: Connection, token: int, lanes: list[ClaimedLane]) -> bool:
    """Give lanes back with their progress; nothing of theirs may be in flight. False when the claim is lost."""
    if not lanes:
        return True
    with raw.cursor() as cursor:
        _RELEASE.execute(cursor, _releasing(token, lanes))
        return bool(cursor.rowcount == len(lanes))


def close_claim(raw: Connection, token: int, destination_id: int, lanes: list[ClaimedLane]) -> bool:
    """Release the lanes that a claim has left and end it, in one commit. False when the claim is lost."""
    close = (_CLOSE, {"token": token, "destination": destination_id})
    with raw.cursor() as cursor:
        execute_together(cursor, *([(_RELEASE, _releasing(token, lanes))] if lanes else []), close)
        row = cursor.fetchone()
        return bool(row and row[0])


def _releasing(token: int, lanes: list[ClaimedLane]) -> dict[str, Any]:
    return {"token": token, **_RELEASED.parameters(map(_released, lanes))}


def _released(lane: ClaimedLane) -> tuple[Any, ...]:
    """As _RELEASED has it."""
    progress = lane.progress
    return (
        lane.id,
        *progress.cursor,
        progress.day,
        orjson.dumps(sorted(progress.beyond)).decode(),
        progress.delivered,
        progress.aborted,
        progress.skipped,
        orjson.dumps(progress.filtered).decode(),
    )


def revoke(raw: Connection, destination_id: int) -> None:
    """Take every claim of a destination away from its holder, for an action by hand on its rows."""
    with raw.cursor() as cursor:
        cursor.execute(
            "UPDATE destinations_claim SET expires_at = clock_timestamp() WHERE destination_id = %s", [destination_id]
        )
    recover(raw, destination_id)


def give_up(raw: Connection, tokens: list[int]) -> None:
    """Have claims run out now, whose holder has nothing in flight and remembers nothing: recover frees their lanes."""
    with raw.cursor() as cursor:
        cursor.execute("UPDATE destinations_claim SET expires_at = clock_timestamp() WHERE id = ANY(%s)", [tokens])


def recover(raw: Connection, destination_id: int) -> int:
    """Free the lanes of claims that ran out or whose owner is dead, as of their last checkpoints; how many claims.

    A claim that ran out cannot be renewed and a dead owner stays dead, so what is found without a lock stays true. Two
    statements in one transaction: the second must see what a holder wrote before the first had the lock.
    """
    with raw.cursor() as cursor:
        cursor.execute(
            "SELECT id, owner, expires_at <= clock_timestamp() FROM destinations_claim WHERE destination_id = %s",
            [destination_id],
        )
        over = [token for token, owner, expired in cursor.fetchall() if expired or is_dead(owner)]
    if not over:
        return 0
    raw.autocommit = False
    try:
        with raw, raw.cursor() as cursor:
            cursor.execute("SELECT id FROM destinations_claim WHERE id = ANY(%s) FOR UPDATE", [over])
            tokens = [row[0] for row in cursor.fetchall()]
            cursor.execute(_FOLD, {"tokens": tokens, "destination": destination_id})
            cursor.execute("DELETE FROM destinations_claim WHERE id = ANY(%s)", [tokens])
            return len(tokens)
    finally:
        if not raw.closed:
            raw.autocommit = True


def _claimed(row: tuple[Any, ...]) -> ClaimedLane:
    lane_id, connection_id, source_id, number, replay, *end, picks, xid, position, day, beyond, d, a, s, filtered = row
    progress = Progress.stored((xid, position), day.isoformat(), beyond, (d, a, s), filtered)
    lane = ClaimedLane(lane_id, connection_id, source_id, number, progress)
    if replay:
        lane.replay, lane.end = replay, (end[0], end[1])
        lane.picks = None if picks is None else frozenset((xid, position) for xid, position in picks)
    return lane
