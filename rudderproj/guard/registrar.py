"""The thread that writes records into the database: at once when it answers, else as soon as it does.

Must never keep anybody waiting for longer than asked, or hold a connection while there is nothing to write.
"""

import os
import random
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any, cast

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from rudderproj import dsn
from rudderproj.fork_safety import whole
from rudderproj.guard import say, store
from rudderproj.guard.spool import Record, Spool

CONNECT_SECONDS = 2
RETRY_SECONDS = (1.0, 30.0)  # first and largest pause
_OPTIONS = "-c statement_timeout=5s -c lock_timeout=5s -c idle_in_transaction_session_timeout=5s -c timezone=UTC"


def connect() -> Connection:
    """A connection to DATABASE_URL. Raises psycopg2.Error."""
    try:
        parameters: dict[str, Any] = dsn.parameters(os.environ.get("DATABASE_URL", "")) or {"dbname": "rudderproj"}
    except ValueError as error:
        raise psycopg2.ProgrammingError(f"DATABASE_URL: {error}") from None
    parameters |= {"connect_timeout": CONNECT_SECONDS, "application_name": "rudderproj guard"}
    parameters["options"] = f"{parameters.get('options', '')} {_OPTIONS}".strip()
    with whole():
        return cast(Connection, psycopg2.connect(**parameters))


class Registrar:
    """Takes records from any thread, and writes them in order from its own."""

    def __init__(
        self,
        spool: Spool,
        connect: Callable[[], Connection] = connect,
        written: Callable[[Record], None] = lambda _: None,
    ) -> None:
        """`written` is called in the thread, after each record is in the database."""
        self._spool, self._connect, self._written = spool, connect, written
        self._changed = threading.Condition()
        self._wanted = bool(len(spool))
        self._refused = 0  # times that the database did not take something
        self.counted = 0  # restarts after a crash among what was written
        self._thread = threading.Thread(target=self._run, name="registrar", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def add(self, record: Record) -> None:
        """Have it written. It is kept when this returns."""
        with self._changed:
            self._spool.add(record)
            self._wanted = True
            self._changed.notify_all()

    def settle(self, seconds: float, until_refused: bool = True) -> bool:
        """Wait until everything is written, or for so long, or until the database refuses; whether it is written."""
        with self._changed:
            refused = self._refused
            self._changed.wait_for(lambda: not len(self._spool) or (until_refused and self._refused > refused), seconds)
            return not len(self._spool)

    def _run(self) -> None:
        pause = RETRY_SECONDS[0]
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted)
                self._wanted = False
            try:
                self._write_all()
                pause = RETRY_SECONDS[0]
            except psycopg2.Error as error:
                if pause == RETRY_SECONDS[0]:
                    say(f"not noted yet: {_first_line(error)}")
                with self._changed:
                    self._refused += 1
                    self._changed.notify_all()
                    # A new record is a reason to look again, but not at once for ever.
                    self._changed.wait_for(lambda: self._wanted, pause * random.uniform(0.5, 1.0))  # noqa: S311
                    self._wanted = True
                pause = min(2 * pause, RETRY_SECONDS[1])

    def _write_all(self) -> None:
        with closing(self._connect()) as raw:
            while entry := self._spool.first():
                name, record = entry
                try:
                    self.counted += store.apply(raw, record)
                except (psycopg2.DataError, psycopg2.IntegrityError, KeyError) as error:
                    with self._changed:
                        self._spool.drop(name, type(error).__name__)
                    continue
                self._written(record)
                with self._changed:
                    self._spool.done(name)
                    self._changed.notify_all()


def _first_line(error: psycopg2.Error) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
