"""Statements that a connection plans once for many runs: those of the hot paths take longer to plan than to run.

Must never keep a plan for long: it was made for tables as large as they were then.
"""

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

PLANS_SECONDS = 10.0  # after which a connection's plans are made anew, and then after twice as long each time
PLANS_MOST_SECONDS = 60.0  # autovacuum looks as often for tables that have grown; what it analyzes is planned anew too

clock = time.monotonic

_PARAMETER = re.compile(r"%\((\w+)\)s(::\w+(?:\[\])?)?")


class _Known:
    """What one connection has prepared."""

    def __init__(self) -> None:
        self.names: dict[Prepared, str] = {}
        self.planned_at = clock()
        self.good_seconds = PLANS_SECONDS

    def is_due(self) -> bool:
        """Whether its plans are old."""
        if clock() <= self.planned_at + self.good_seconds:
            return False
        self.planned_at, self.good_seconds = clock(), min(2 * self.good_seconds, PLANS_MOST_SECONDS)
        return True


_known: WeakKeyDictionary[Connection, _Known] = WeakKeyDictionary()


class Prepared:
    """A statement with parameters as psycopg2 writes them, %(name)s; one with a ::type is sent as that type.

    For connections that outlive many runs (rudderproj.db). Behind a pooler these must be sessions.
    """

    def __init__(self, text: str) -> None:
        casts: dict[str, str] = {}
        for name, cast in _PARAMETER.findall(text):
            casts[name] = casts.get(name) or cast
        numbers = {name: f"${number}" for number, name in enumerate(casts, 1)}
        self._text = _PARAMETER.sub(lambda found: numbers[found[1]] + (found[2] or ""), text).replace("%%", "%")
        values = ", ".join(f"%({name})s{cast}" for name, cast in casts.items())
        self._values = f" ({values})" if values else ""

    def execute(self, cursor: Cursor, parameters: Mapping[str, Any] | None = None) -> None:
        """Run it; rows and rowcount are the cursor's. Raises psycopg2.Error."""
        cursor.execute(self._call(cursor), parameters)

    def _call(self, cursor: Cursor) -> str:
        """What runs it on this cursor's connection, which has it prepared then."""
        known = _known.get(cursor.connection) or _known.setdefault(cursor.connection, _Known())
        if known.is_due():
            cursor.execute("DISCARD PLANS")
        name = known.names.get(self)
        if name is None:
            name = f"s{len(known.names)}"
            cursor.execute(f"PREPARE {name} AS {self._text}")
            known.names[self] = name
        return f"EXECUTE {name}{self._values}"


def execute_together(cursor: Cursor, *calls: tuple[Prepared, Mapping[str, Any]]) -> None:
    """Run statements in one commit, which waits for nobody in between; rows are the last one's. Raises psycopg2.Error.

    For autocommit connections.
    """
    texts = [cursor.mogrify(statement._call(cursor), parameters) for statement, parameters in calls]
    cursor.execute(b"; ".join(texts))


class Rows:
    """Rows given to a statement as one array a column: however many they are, its text stays the same."""

    def __init__(self, **types: str) -> None:
        self.types = types
        self.sql = f"unnest({', '.join(f'%({name})s::{kind}[]' for name, kind in types.items())})"
        self.columns = f"({', '.join(types)})"

    def parameters(self, rows: Iterable[tuple[Any, ...]]) -> dict[str, Any]:
        """The parameters that stand for these rows, of which there must be one at least."""
        columns = zip(self.types.items(), zip(*rows, strict=True), strict=True)
        return {name: _literal(values) if kind in _PLAIN else list(values) for (name, kind), values in columns}


_PLAIN = ("bigint", "int", "smallint", "date")  # whose texts need no quotes in an array


def _literal(values: Iterable[object]) -> str:
    """PostgreSQL's text for an array. A list would be written value by value, and read so: 0.5 ms for 64 lanes."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
