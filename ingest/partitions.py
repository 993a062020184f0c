"""Day partitions of the event log: made ahead by upkeep, and on demand by the writer when one is missing; frozen once
they are closed; taken off the log and dropped.

Every step takes locks that neither inserts nor readers wait for, gives way after moments, and can be killed: the next
upkeep goes on from what it finds. Which partitions may go is decided elsewhere (ingest.retention).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from psycopg2 import sql
from psycopg2.errors import LockNotAvailable, QueryCanceled
from psycopg2.extensions import connection as Connection  # noqa: N812

DAYS_AHEAD = 2
FREEZE_SECONDS = 10  # at a time: what it did stays done, and the next one goes on
FROZEN = "rudderproj: frozen"
DROPPING = "rudderproj: to be dropped"  # so that a table somebody else took off the log is left alone

# Who waits for an exclusive lock has a transaction id, and holds the horizon of all forwarding. So nobody who has been
# reading for a while is waited for, and nobody else for longer than this.
READER_SECONDS = 1.0
LOCK_MILLISECONDS = 100
STEP_SECONDS = 2
_SET_TIMEOUTS = "SELECT set_config('lock_timeout', %s, false), set_config('statement_timeout', %s, false)"

# Since when another role reads, and its state, is only shown to members of pg_read_all_stats: it is taken for long. An
# autovacuum, which is of no role, counts where it has a lock: its snapshot is not waited for.
_READER = """
SELECT format('%%s (pid %%s), reading%%s', coalesce(nullif(a.application_name, ''), a.usename, 'autovacuum'), a.pid,
    coalesce(' since ' || a.xact_start, ', for how long is hidden'))
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
    AND (a.xact_start < clock_timestamp() - make_interval(secs => %(seconds)s)
         OR a.xact_start IS NULL AND a.state IS NULL)
    AND (%(pending)s AND a.backend_xmin IS NOT NULL AND a.usesysid IS NOT NULL OR EXISTS (
        SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.granted
          AND l.relation IN ('ingest_event'::regclass, %(name)s::regclass)))
ORDER BY a.xact_start LIMIT 1
"""

_TABLES = """
SELECT c.relname, to_date(right(c.relname, 8), 'YYYYMMDD') AS day, i.inhrelid IS NOT NULL,
    coalesce(i.inhdetachpending, false), coalesce(obj_description(c.oid, 'pg_class'), ''),
    pg_total_relation_size(c.oid)
FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = 'ingest_event'::regclass
WHERE c.relname ~ '^ingest_event_[0-9]{8}$' AND c.relkind = 'r'
    AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'ingest_event'::regclass)
ORDER BY day
"""


class PartitionBusy(Exception):
    """Somebody looks at the partition, or may: it is not dropped now. The message says who, as far as is known."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A day's table. `is_pending`: it is being taken off the log, and no reader sees it any more."""

    name: str
    day: date
    is_attached: bool
    is_pending: bool
    note: str
    bytes: int


def create_ahead(raw: Connection) -> int:
    """Make the partitions from yesterday to two days ahead, by the database's clock; returns how many were new."""
    with raw.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE ingest_event_partition((now() AT TIME ZONE 'UTC')::date + ahead))"
            " FROM generate_series(-1, %s) ahead",
            [DAYS_AHEAD],
        )
        row = cursor.fetchone()
        return int(row[0]) if row else 0


def today(raw: Connection) -> date:
    """The day that events accepted now belong to."""
    with raw.cursor() as cursor:
        cursor.execute("SELECT (now() AT TIME ZONE 'UTC')::date")
        day: date = (cursor.fetchone() or (date.min,))[0]  # there always is a row
        return day


def tables(raw: Connection) -> list[Partition]:
    """All day tables, the oldest first, also those that are no longer part of the log."""
    with raw.cursor() as cursor:
        cursor.execute(_TABLES)
        return [Partition(*row) for row in cursor.fetchall()]


def attached(raw: Connection) -> list[Partition]:
    """The partitions that readers see, the oldest first."""
    return [partition for partition in tables(raw) if partition.is_attached and not partition.is_pending]


def unfinished(raw: Connection) -> list[Partition]:
    """What an earlier drop has left: tables that are half or wholly off the log, and were to be dropped."""
    return [table for table in tables(raw) if table.note == DROPPING and (table.is_pending or not table.is_attached)]


def drop(raw: Connection, partition: Partition) -> None:
    """Take a partition off the log and drop it, from whichever step it has come to.

    Raises PartitionBusy while somebody who began before may look at it, also when that turns out on the way: go on
    from what is found another time.
    """
    if reader := _reader(raw, partition):
        raise PartitionBusy(reader)
    name = sql.Identifier(partition.name)
    with _in_haste(raw), raw.cursor() as cursor:
        try:
            if partition.is_attached and not partition.is_pending:
                _note(raw, partition.name, DROPPING)
                cursor.execute(sql.SQL("ALTER TABLE ingest_event DETACH PARTITION {} CONCURRENTLY").format(name))
            elif partition.is_pending:
                cursor.execute(sql.SQL("ALTER TABLE ingest_event DETACH PARTITION {} FINALIZE").format(name))
            cursor.execute(sql.SQL("DROP TABLE {}").format(name))
        except (LockNotAvailable, QueryCanceled) as error:
            raise PartitionBusy(str(error).strip()) from error


def freeze_one(raw: Connection) -> int:
    """Freeze a closed partition, so that no vacuum has to read it again; 1 if one is done, else 0."""
    closed = [partition for partition in attached(raw) if _is_to_freeze(partition, today(raw))]
    if not closed:
        return 0
    with raw.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, false)", [f"{FREEZE_SECONDS}s"])
        cursor.execute("SET vacuum_cost_delay = '2ms'")  # as gentle as autovacuum
        try:
            cursor.execute(
                sql.SQL("VACUUM (FREEZE, ANALYZE, TRUNCATE false) {}").format(sql.Identifier(closed[0].name))
            )
        except QueryCanceled:
            return 0
    _note(raw, closed[0].name, FROZEN)
    return 1


def to_freeze(raw: Connection) -> list[str]:
    """A line for each closed partition that is not frozen yet."""
    now = today(raw)
    return [f"{partition.day} to be frozen" for partition in attached(raw) if _is_to_freeze(partition, now)]


def _reader(raw: Connection, partition: Partition) -> str | None:
    """Who has been at the log or this partition for a while, and would have to be waited for."""
    values = {"pending": partition.is_pending, "name": partition.name, "seconds": READER_SECONDS}
    with raw.cursor() as cursor:
        cursor.execute(_READER, values)
        row = cursor.fetchone()
        return str(row[0]) if row else None


@contextmanager
def _in_haste(raw: Connection) -> Iterator[None]:
    """Statements of a moment only."""
    with raw.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
        before = cursor.fetchone()
        cursor.execute(_SET_TIMEOUTS, [f"{LOCK_MILLISECONDS}ms", f"{STEP_SECONDS}s"])
        try:
            yield
        finally:
            cursor.execute(_SET_TIMEOUTS, before)


def _is_to_freeze(partition: Partition, now: date) -> bool:
    return not partition.note and (now - partition.day).days > 1


def _note(raw: Connection, name: str, note: str) -> None:
    with raw.cursor() as cursor:
        cursor.execute(sql.SQL("COMMENT ON TABLE {} IS %s").format(sql.Identifier(name)), [note])
