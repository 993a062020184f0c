"""How large things are: the memory of every process, and the database with what it is made of."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from drills.stack import ROLES, Stack
from rudderproj.stack import processes

# The log's partitions as one; the rest by name.
_RELATIONS = """
SELECT coalesce(substring(relname FROM '^(ingest_event)_'), relname), sum(pg_total_relation_size(oid))::bigint
FROM pg_class WHERE relkind IN ('r', 'm') AND relname NOT LIKE 'pg\\_toast%%' GROUP BY 1 ORDER BY 2 DESC
"""
_WHOLE = "SELECT pg_database_size(current_database())::bigint"
_EVENTS = "SELECT count(*), coalesce(avg(octet_length(payload)), 0)::float8 FROM ingest_event"

POOL = " pool"  # behind the role, of its pool's processes
BACKEND = "postgres backend"  # of a client
# As PostgreSQL calls its own in their titles; those of backends begin with a user.
_POSTGRES_OWN = (
    *("io worker", "checkpointer", "background writer", "walwriter", "walsender", "archiver", "startup"),
    *("autovacuum launcher", "autovacuum worker", "logical replication launcher", "parallel worker"),
)


@dataclass(frozen=True)
class Memory:
    """One process at one moment (monotonic seconds). `name` is its kind: the role's for the role's process itself.

    Its guard, its pool and PostgreSQL's children are kinds of their own: they are not of a size.
    """

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
    payload: float = 0.0  # bytes of one of those, on average


def memory(stack: Stack) -> Iterator[Memory]:
    """Every process of the stack now, but the supervisor, whose children they are."""
    at = time.monotonic()
    for name, pid in stack.lives().items():
        for process, kind in [] if name == processes.SUPERVISOR else _tree(name, pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                yield Memory(at, kind, process.pid, private(process))


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
    ((whole,),), ((events, payload),) = stack.query(_WHOLE), stack.query(_EVENTS)
    parts = [(str(name), int(size)) for name, size in stack.query(_RELATIONS)]
    return Database(int(whole), parts, int(events), float(payload))


def postgres_kind(title: str) -> str:
    """What a child of PostgreSQL is, by its title."""
    said = title.removeprefix("postgres: ")
    if said == title:
        return "postgres child"  # it has just been made, or titles cannot be read here
    own = next((own for own in _POSTGRES_OWN if said.startswith(own)), None)
    return f"postgres {own}" if own else BACKEND


def _tree(name: str, pid: int) -> Iterator[tuple[psutil.Process, str]]:
    with contextlib.suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        yield top, f"{name} guard" if name in ROLES else name
        for child in top.children():
            yield child, postgres_kind(_title(child.pid)) if name == processes.POSTGRES else name
            for grandchild in child.children(recursive=True):
                yield grandchild, f"{name}{POOL}"


def _title(pid: int) -> str:
    with contextlib.suppress(OSError):  # it has ended, or this is not Linux
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""
