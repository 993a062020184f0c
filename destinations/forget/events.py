"""A person's events in the log: found by walking its partitions page by page, and turned into tombstones.

Short statements, each of a few pages or events: no long transaction, and nobody waits. Must never change an event's
place, lane, day or message id.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql
from psycopg2.errors import UndefinedTable
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values

from destinations.forget.person import Person, parsed, pseudonym
from ingest import partitions
from ingest.tombstone import is_tombstone, tombstone

PAGES = 256  # of 8 KB, in one statement
BATCH_EVENTS = 200

_SCAN = """
SELECT e.source_id, e.message_id, e.lane, e.xid, e.position, e.user_key, e.payload FROM {table} e
WHERE e.ctid >= %(first)s::tid AND e.ctid < %(end)s::tid AND (%(source)s IS NULL OR e.source_id = %(source)s)
  AND {condition}
"""
NAMED = "strpos(e.payload, %(needle)s) > 0"
OF_DEVICES = "e.user_key = ANY(%(keys)s)"

_ERASE = """
UPDATE {table} e SET payload = v.payload, user_key = v.user_key
FROM (VALUES %s) v (source_id, message_id, payload, user_key)
WHERE e.source_id = v.source_id AND e.message_id = v.message_id
"""


@dataclass(frozen=True, slots=True)
class Logged:
    """An event of the log that is theirs."""

    table: str
    source_id: int
    message_id: str
    lane: int
    xid: int
    position: int
    user_key: str
    type: str


def walk(
    raw: Connection, condition: str, person: Person, source_id: int | None, tell: Callable[[str], None]
) -> Iterator[tuple[Logged, Mapping[str, Any]]]:
    """Each event of the log that meets the condition (NAMED or OF_DEVICES) and is no tombstone, with its payload."""
    values: dict[str, Any] = {"source": source_id, "needle": person.needle, "keys": sorted(person.devices)}
    for partition in partitions.attached(raw):
        tell(f"reading {partition.day}")
        try:
            yield from _walk_table(raw, partition.name, condition, values)
        except UndefinedTable:
            tell(f"{partition.day} was dropped meanwhile")


def _walk_table(
    raw: Connection, table: str, condition: str, values: dict[str, Any]
) -> Iterator[tuple[Logged, Mapping[str, Any]]]:
    statement = sql.SQL(_SCAN).format(table=sql.Identifier(table), condition=sql.SQL(condition))
    with raw.cursor() as cursor:
        cursor.execute(
            "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::integer + 1", [f'"{table}"']
        )
        (pages,) = cursor.fetchone() or (0,)
        for first in range(0, pages, PAGES):
            cursor.execute(statement, values | {"first": f"({first},0)", "end": f"({first + PAGES},0)"})
            for *row, payload in cursor.fetchall():
                event = parsed(payload)
                if event is not None and not is_tombstone(event):
                    yield Logged(*[table, *row, str(event.get("type", ""))]), event


def erase(raw: Connection, events: Sequence[Logged]) -> int:
    """Leave tombstones of these events of one table; how many there were. A table that was dropped has none."""
    statement = sql.SQL(_ERASE).format(table=sql.Identifier(events[0].table)).as_string(raw)
    values = [(e.source_id, e.message_id, tombstone(e.message_id, e.type), pseudonym(e.user_key)) for e in events]
    try:
        with raw.cursor() as cursor:
            execute_values(cursor, statement, values, page_size=len(values))
            return int(cursor.rowcount)
    except UndefinedTable:
        return 0


def batches(events: Iterator[Logged]) -> Iterator[list[Logged]]:
    """Batches of events of one table each, as they come."""
    batch: list[Logged] = []
    for event in events:
        if batch and (len(batch) >= BATCH_EVENTS or batch[0].table != event.table):
            yield batch
            batch = []
        batch.append(event)
    if batch:
        yield batch
