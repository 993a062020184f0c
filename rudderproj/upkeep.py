"""Upkeep: the chores that the apps register, and who does them, one upkeep at a time in the whole deployment.

Must never be needed for accepting or forwarding events, and never hold them up: a chore works in short statements, and
one that fails or finds the database away is logged, and the others go on.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import structlog
from psycopg2.extensions import connection as Connection  # noqa: N812

from rudderproj import db, metrics

log = structlog.get_logger(__name__)

STATEMENT_SECONDS = 30

# Whatever the chore before has set. One that has to wait for a lock gives way, and tries again later.
_AS_NEW = """
RESET ALL;
SELECT set_config('idle_session_timeout', '120s', false), set_config('lock_timeout', '2s', false);
"""
# The turn ends with the session, and that of a process that was stopped in the middle is ended by the server.
_TAKE = "SELECT pg_try_advisory_lock(hashtext('rudderproj.upkeep'))"
_GIVE_BACK = "SELECT pg_advisory_unlock_all()"


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


_database = db.Kept("upkeep", STATEMENT_SECONDS)


def run(due_only: bool = True) -> dict[str, int | None] | None:
    """Do the chores; how much each did, None for one that failed. None instead of all when another upkeep is at work.

    `due_only` leaves out a chore that this process found nothing to do of, less than its `every_seconds` ago. Raises
    psycopg2.Error when the database is away.
    """
    done: dict[str, int | None] = {}
    try:
        for chore in [chore for chore in _chores.values() if not due_only or _is_due(chore)]:
            if not _database.run(partial(_do_if_ours, chore, done)):
                return done or None
            if done[chore.name] is None:
                _database.close()  # with whatever it left there
    except BaseException:
        _database.close()
        raise
    _database.run(_give_back)
    return done


def look() -> dict[str, Sequence[str]]:
    """What each chore would find to do, or leaves alone, and why. Raises psycopg2.Error."""
    with closing(db.connect("upkeep", STATEMENT_SECONDS)) as raw, raw.cursor() as cursor:
        cursor.execute(_AS_NEW)
        return {chore.name: chore.look(raw) for chore in _chores.values()}


def _is_due(chore: Chore) -> bool:
    return time.monotonic() - _idle_at.get(chore.name, float("-inf")) >= chore.every_seconds


def _do_if_ours(chore: Chore, done: dict[str, int | None], raw: Connection) -> bool:
    """Whether the turn is ours, which a session may be told any number of times; then the chore is done."""
    with raw.cursor() as cursor:
        cursor.execute(_AS_NEW + _TAKE)
        is_ours = cursor.fetchone() == (True,)
    if is_ours:
        done[chore.name] = _do(chore, raw)
    return is_ours


def _give_back(raw: Connection) -> None:
    with raw.cursor() as cursor:
        cursor.execute(_GIVE_BACK)


def _do(chore: Chore, raw: Connection) -> int | None:
    _idle_at[chore.name] = time.monotonic()
    try:
        done = chore.do(raw)
    except Exception as error:  # noqa: BLE001 - whatever it was, the other chores must still be done
        metrics.UPKEEP_FAILURES.add(1, chore.name)
        log.warning("upkeep.failed", chore=chore.name, error=str(error).strip() or type(error).__name__)
        return None
    if done:
        del _idle_at[chore.name]
        log.info("upkeep.done", chore=chore.name, count=done)
    return done
