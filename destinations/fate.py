"""What has become of one event at one connection, told from the evidence. Pure.

A delivered event costs no row: it is one that lies behind its lane's cursor, or among what is settled beyond it, and of
which nothing else is known. Must never guess in silence: what is told from today's configuration is marked `inferred`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from destinations import selection
from destinations.selection import Wanted, in_gap, unwanted


class State(StrEnum):
    """The states of the glossary, and one for what was never owed."""

    DELIVERED = "delivered"
    PENDING = "pending"
    FAILED = "failed"
    WAITING = "waiting"
    ABORTED = "aborted"
    FILTERED = "filtered"
    SKIPPED = "skipped"
    NOT_CONNECTED = "not_connected"  # accepted before the connection was made


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt; texts are masked and capped."""

    at: datetime
    status: int | None  # None: no answer
    outcome: str
    error: str
    response: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Row:
    """What destinations_delivery says of the event."""

    id: int
    state: str
    reason: str
    attempts: int
    first_failed_at: datetime | None
    next_attempt_at: datetime | None
    updated_at: datetime
    request: dict[str, Any] | None
    response: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of sending the event again. Of a replay only what did not succeed at once leaves a trace."""

    replay_id: int
    state: str
    reason: str
    attempts: int
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that one snapshot of the database knows of an event at a connection."""

    connection_id: int
    source: str
    destination_id: int
    destination: str
    type: str
    start_xid: int
    is_settled: bool  # behind the cursor or beyond it
    is_readable: bool  # below the horizon
    mode: str
    destination_state: str
    breaker: str
    filtered_so_far: Mapping[str, int]  # of its lane, by reason
    skipped_by: str | None  # who passed it over, if somebody did
    wanted: Wanted
    row: Row | None
    tries: Sequence[Try] = ()
    replays: Sequence[Replayed] = ()


@dataclass(frozen=True, slots=True)
class Fate:
    """One connection's answer to "Where is my event?". `reason` is as stored, `detail` a sentence for people."""

    connection_id: int
    source: str
    destination_id: int
    destination: str
    type: str
    state: State
    reason: str = ""
    detail: str = ""
    inferred: bool = False  # from today's configuration, which may have been another one then
    delivery_id: int | None = None
    attempts: int = 0  # counted towards giving up; a first try that succeeded leaves no trace
    first_failed_at: datetime | None = None
    next_attempt_at: datetime | None = None
    settled_at: datetime | None = None  # known only for what has a row
    request: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    tries: Sequence[Try] = field(default_factory=list)
    replays: Sequence[Replayed] = field(default_factory=list)


def fate_of(seen: Evidence, event: Mapping[str, Any] | None, xid: int) -> Fate:
    """The fate of an event; `event` is its payload, None when the log no longer has it."""
    if xid < seen.start_xid:
        return _told(seen, State.NOT_CONNECTED, "", "accepted before the connection was made")
    if seen.row:
        return _of_row(seen, seen.row)
    reason = unwanted(event, xid, seen.wanted) if event is not None else _off(xid, seen.wanted)
    if not seen.is_settled:
        return _told(seen, State.PENDING, "", _pending_because(seen, reason))
    if seen.skipped_by is not None and reason != selection.OFF:
        return _told(seen, State.SKIPPED, "", f"passed over by {seen.skipped_by}")
    return _settled(seen, reason)


_FILTERED = "today's configuration filters it, and its lane has filtered events for this reason"
_FORGOTTEN = "its person has been forgotten; whether it had been sent before is not known"


def _settled(seen: Evidence, reason: str | None) -> Fate:
    """Delivered or filtered: a lane that never filtered anything for its content delivered all that was sent to it."""
    if reason == selection.OFF:
        return _told(seen, State.FILTERED, reason, "the connection was switched off when it was accepted")
    has_filtered = any(count for name, count in seen.filtered_so_far.items() if name != selection.OFF)
    if reason and seen.filtered_so_far.get(reason):
        detail = _FORGOTTEN if reason == selection.FORGOTTEN else _FILTERED
        return _told(seen, State.FILTERED, reason, detail, inferred=True)
    if has_filtered:
        detail = "behind the cursor, and not filtered by today's configuration; its lane has filtered other events"
        return _told(seen, State.DELIVERED, "", detail, inferred=True)
    # A refusal that held the destination, or a failure that opened its breaker, leaves attempts and no row.
    detail = "failed attempts are on record" if seen.tries else "no failed attempt is on record"
    return _told(seen, State.DELIVERED, "", detail)


def _off(xid: int, wanted: Wanted) -> str | None:
    return selection.OFF if in_gap(xid, wanted.gaps) else None


def _pending_because(seen: Evidence, reason: str | None) -> str:
    if seen.skipped_by is not None and reason != selection.OFF:
        return f"will be skipped: passed over by {seen.skipped_by}"
    if reason:
        return f"will be filtered: {reason}"
    if seen.mode != "normal":
        return f"{seen.mode} mode: nothing is forwarded"
    if not seen.wanted.active:
        return "the connection is switched off; waits for its return"
    if seen.destination_state != "ok":
        return f"the destination is {seen.destination_state}"
    if seen.breaker != "closed":
        return "the destination does not answer: its breaker is open"
    if not seen.is_readable:
        return "an older transaction is still running: it is read when that has ended"
    return "its turn has not come yet"


def _of_row(seen: Evidence, row: Row) -> Fate:
    final = row.state in (State.ABORTED, State.DELIVERED, State.SKIPPED)
    return Fate(
        connection_id=seen.connection_id,
        source=seen.source,
        destination_id=seen.destination_id,
        destination=seen.destination,
        type=seen.type,
        state=State(row.state),
        reason=row.reason,
        detail="behind an earlier event of the same user" if row.state == State.WAITING else "",
        delivery_id=row.id,
        attempts=row.attempts,
        first_failed_at=row.first_failed_at,
        next_attempt_at=row.next_attempt_at,
        settled_at=row.updated_at if final else None,
        request=row.request,
        response=row.response,
        tries=seen.tries,
        replays=seen.replays,
    )


def _told(seen: Evidence, state: State, reason: str, detail: str, inferred: bool = False) -> Fate:
    return Fate(
        connection_id=seen.connection_id,
        source=seen.source,
        destination_id=seen.destination_id,
        destination=seen.destination,
        type=seen.type,
        state=state,
        reason=reason,
        detail=detail,
        inferred=inferred,
        tries=seen.tries,
        replays=seen.replays,
    )
