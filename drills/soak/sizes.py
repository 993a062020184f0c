"""How large things are: the memory of every process, and the database with what it is made of."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from drills.stack import Stack
from rudderproj.stack import processes

# The log's partitions as one; the rest by name.
_RELATIONS = """
SELECT coalesce(substring(relname FROM '^(ingest_event)_'), relname), sum(pg_total_relation_size(oid))::bigint
FROM pg_class WHERE relkind IN ('r', 'm') AND relname NOT LIKE 'pg\\_toast%%' GROUP BY 1 ORDER BY 2 DESC
"""
_WHOLE = "SELECT pg_database_size(current_database())::bigint"
_EVENTS = "SELECT count(*) FROM ingest_event"


@dataclass(frozen=True)
class Memory:
    """One process at one moment (monotonic seconds). `name` is its role, and `pool` behind it for a pool's process."""

    at: float
    name: str
    pid: int
    private: int  # bytes that no other process has: PostgreSQL's share its buffers


@dataclass(frozen=True)
class Database:
    """In bytes; `parts` are the tables with their indexes, largest first."""

    whole: int
    parts: list[tuple[str, int]]
    events: int  # in the log


def memory(stack: Stack) -> Iterator[Memory]:
    """Every process of the stack now, but the supervisor, whose children they are."""
    at = time.monotonic()
    for name, pid in stack.lives().items():
        for process, is_of_pool in [] if name == processes.SUPERVISOR else _tree(pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                yield Memory(at, f"{name} pool" if is_of_pool else name, process.pid, private(process))


def private(process: psutil.Process) -> int:
    """Bytes that no other process has. Shared memory is not, though no other living process may have looked at it."""
    unique = int(process.memory_full_info().uss)
    with contextlib.suppress(OSError):  # elsewhere than on Linux
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return min(unique, 1024 * int(line.split()[1]))
    return unique


def database(stack: Stack) -> Database:
    """Raises psycopg2.Error."""
    ((whole,),), ((events,),) = stack.query(_WHOLE), stack.query(_EVENTS)
    return Database(int(whole), [(str(name), int(size)) for name, size in stack.query(_RELATIONS)], int(events))


def _tree(pid: int) -> Iterator[tuple[psutil.Process, bool]]:
    with contextlib.suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        yield top, False
        for child in top.children():
            yield child, False
            for grandchild in child.children(recursive=True):
                yield grandchild, True
