"""Raw psycopg2 connections for the two hot paths: the event log's writer and a link's reads and checkpoints.

Everything else uses the ORM. A connection belongs to one thread at a time; autocommit, so no transaction outlives a
statement.
"""

import os
import threading
from collections.abc import Callable
from typing import TypeVar, cast
from weakref import WeakSet

import psycopg2
from django.db import connections
from psycopg2.extensions import connection as Connection  # noqa: N812

from rudderproj.fork_safety import whole

T = TypeVar("T")

# A day's partition has no statistics in its first hours, and a plan that scans or sorts it takes half a minute instead
# of a millisecond. These connections only ever want some rows of an index, in its order.
_SWITCHED_OFF = ("enable_seqscan", "enable_bitmapscan", "enable_sort", "jit")
FROM_INDEXES = " ".join(f"-c {name}=off" for name in _SWITCHED_OFF)

# What is prepared here is planned once, for all parameters.
_PLANS = "-c plan_cache_mode=force_generic_plan"

# The same for one transaction of an ORM connection.
SET_LOCAL_FROM_INDEXES = "; ".join(f"SET LOCAL {name} = off" for name in _SWITCHED_OFF)


def connect(name: str, statement_timeout_seconds: float) -> Connection:
    """Open an autocommit connection to the default database (in tests: the test database).

    `name` shows in pg_stat_activity. Raises psycopg2.OperationalError when the database is away.
    """
    milliseconds = int(statement_timeout_seconds * 1000)
    parameters = connections["default"].get_connection_params()
    parameters |= {"application_name": f"rudderproj {name}", "tcp_user_timeout": str(milliseconds)}
    timeout = f"-c statement_timeout={milliseconds}"
    options = f"{parameters.get('options', '')} {timeout} {FROM_INDEXES} {_PLANS}"
    with whole():
        raw = cast(Connection, psycopg2.connect(**{**parameters, "options": options}))
    raw.autocommit = True
    return raw


_all_kept: "WeakSet[Kept]" = WeakSet()


def close_kept() -> None:
    """Let go of all connections that this process keeps; whoever needs one again opens another."""
    for kept in list(_all_kept):
        kept.close()


class Kept:
    """A connection kept for what a process does again and again; a fork gets one of its own."""

    def __init__(self, name: str, statement_timeout_seconds: float) -> None:
        self._name, self._seconds = name, statement_timeout_seconds
        self._raw: Connection | None = None
        self._pid = os.getpid()
        self._lock = threading.Lock()
        _all_kept.add(self)

    def run(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns; a second time over a new connection if the kept one was lost. Raises psycopg2.Error."""
        with self._lock:
            if self._pid != os.getpid():
                self._raw, self._pid = None, os.getpid()
            if kept := self._raw:
                try:
                    return work(kept)
                except psycopg2.Error:
                    is_lost = kept.closed
                    self._close()
                    if not is_lost:
                        raise
            self._raw = connect(self._name, self._seconds)
            try:
                return work(self._raw)
            except psycopg2.Error:
                self._close()
                raise

    def close(self) -> None:
        """Keep none; the next run opens another."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._raw is not None and self._pid == os.getpid():
            self._raw.close()
        self._raw = None
