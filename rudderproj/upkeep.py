"""Upkeep: the chores that the apps register, and who does them, one upkeep at a time in the whole deployment.

Must never be needed for accepting or forwarding events, and never hold them up: a chore works in short statements, and
one that fails or finds the database away is logged, and the others go on.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import structlog
from psycopg2.extensions import connection as Connection  # noqa: N812

from rudderproj import db, metrics

log = structlog.get_logger(__name__)

STATEMENT_SECONDS = 30
LOCK_SECONDS = 2  # a chore that has to wait for a lock gives way, and tries again later
_LOCK = "SELECT pg_try_advisory_lock(hashtext('rudderproj.upkeep'))"
# A process that was stopped in the middle loses its turn: the server ends its session, and with it the lock.
_IDLE = "SET idle_session_timeout = '120s'"


def _nothing(_: Connection) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to be done again and again.

    `do` returns how much it did. `look` says what there is to do and what is left alone, and why, a line each; it
    must not write. Both get an autocommit connection that is as new. `every_seconds` after it found nothing to do it is
    due again; as long as it finds something, with each upkeep.
    """

    name: str  # what is counted: partitions_made
    do: Callable[[Connection], int]
    look: Callable[[Connection], Sequence[str]] = _nothing
    every_seconds: float = 0.0


_chores: dict[str, Chore] = {}
_idle_at: dict[str, float] = {}


def register(chore: Chore) -> None:
    """Have this chore done with the others, in the order of registration. A name registered again is replaced."""
    _chores[chore.name] = chore


def run(due_only: bool = True) -> dict[str, int | None] | None:
    """Do the chores; how much each did, None for one that failed. None instead of all when another upkeep is at work.

    `due_only` leaves out a chore that this process found nothing to do of, less than its `every_seconds` ago. Raises
    psycopg2.Error when the database is away.
    """
    with closing(db.connect("upkeep turn", STATEMENT_SECONDS)) as turn, closing(_session()) as session:
        if not _is_ours(turn):
            return None
        done: dict[str, int | None] = {}
        for chore in [chore for chore in _chores.values() if not due_only or _is_due(chore)]:
            with turn.cursor() as cursor:
                cursor.execute("SELECT 1")  # still our turn
            done[chore.name] = _do(chore, session)
        return done


def look() -> dict[str, Sequence[str]]:
    """What each chore would find to do, or leaves alone, and why. Raises psycopg2.Error."""
    with closing(_session()) as session:
        return {chore.name: chore.look(session.run(_as_new)) for chore in _chores.values()}


def _is_ours(turn: Connection) -> bool:
    with turn.cursor() as cursor:
        cursor.execute(_IDLE)
        cursor.execute(_LOCK)
        return cursor.fetchone() == (True,)


def _session() -> db.Kept:
    """One connection for many chores; another one after a chore that failed."""
    return db.Kept("upkeep", STATEMENT_SECONDS)


def _is_due(chore: Chore) -> bool:
    return time.monotonic() - _idle_at.get(chore.name, float("-inf")) >= chore.every_seconds


def _do(chore: Chore, session: db.Kept) -> int | None:
    _idle_at[chore.name] = time.monotonic()
    try:
        done = chore.do(session.run(_as_new))
    except Exception as error:  # noqa: BLE001 - whatever it was, the other chores must still be done
        session.close()
        metrics.UPKEEP_FAILURES.add(1, chore.name)
        log.warning("upkeep.failed", chore=chore.name, error=str(error).strip() or type(error).__name__)
        return None
    if done:
        del _idle_at[chore.name]
        log.info("upkeep.done", chore=chore.name, count=done)
    return done


def _as_new(raw: Connection) -> Connection:
    """Whatever the chore before has set on it."""
    with raw.cursor() as cursor:
        cursor.execute("RESET ALL")
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{LOCK_SECONDS}s"])
    return raw
