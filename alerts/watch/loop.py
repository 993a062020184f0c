"""The watch's threads: one makes the checks, one has what is due sent, one minds the database itself.

Must never end: whatever a round raises is logged, and the next one comes. Who asks every second or three keeps a
connection, which costs less than a new one each time; psycopg2 leaves alone what a fork inherited. Who minds the
database must not: whether it takes connections is the question.
"""

import threading
import time
from collections.abc import Callable

import psycopg2
import structlog
from django.db import DatabaseError, connection

from alerts import recovery
from alerts.incidents import checks
from alerts.notifications import bell, deliver, owed
from alerts.watch import away
from rudderproj import db

log = structlog.get_logger(__name__)

# The pool is forked in the first moments: better without threads that hold something.
QUIET_SECONDS = 2.0
CHECKS_SECONDS = 1.0
DATABASE_SECONDS = 5.0
UNASKED_SECONDS = 3.0  # what nobody rang for: retries, and what another process wrote

_database = db.Kept("notifications", deliver.STATEMENT_SECONDS)  # to ask what is due, in one thread
_due = threading.Event()
_sending: dict[int, threading.Thread] = {}  # by channel


def start() -> None:
    """Watch from now on."""
    bell.answer_with(_due.set)
    minder = away.Minder()
    for name, work, rest in (
        ("checks", make_checks, lambda: time.sleep(CHECKS_SECONDS)),
        ("notifications", _send, lambda: _due.wait(UNASKED_SECONDS)),
        ("database", minder.look, lambda: time.sleep(DATABASE_SECONDS)),
    ):
        threading.Thread(target=_for_ever, args=(work, rest), name=f"watch-{name}", daemon=True).start()


def make_checks() -> None:
    """One round: whether too many restarts lead to degraded mode, then whatever check is due."""
    try:
        recovery.evaluate()
        checks.run()
    except BaseException:
        connection.close()
        raise
    if connection.errors_occurred:  # in a check, which was logged
        connection.close()


def _send() -> None:
    """Have each channel's thread send what is due to it; whoever still waits for an answer keeps no other waiting."""
    _due.clear()
    for channel in _database.run(owed.channels):
        if channel not in _sending or not _sending[channel].is_alive():
            _sending[channel] = threading.Thread(
                target=_send_to, args=(channel,), name=f"notify-{channel}", daemon=True
            )
            _sending[channel].start()


def _send_to(channel: int) -> None:
    def work() -> None:
        if deliver.send_to(channel):
            _due.set()  # what came just when it ended

    _try(work)


def _for_ever(work: Callable[[], None], rest: Callable[[], object]) -> None:
    time.sleep(QUIET_SECONDS)
    while True:
        _try(work)
        rest()


def _try(work: Callable[[], None]) -> None:
    try:
        work()
    except (DatabaseError, psycopg2.Error) as error:
        log.info("watch.no_database", part=threading.current_thread().name, error=str(error).strip())
    except Exception:
        log.exception("watch.failed", part=threading.current_thread().name)
