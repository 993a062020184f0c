"""The SQL by which events enter the log: one autocommit statement a group, so no stopped client holds the horizon."""

from collections.abc import Sequence
from typing import NamedTuple

from psycopg2.extensions import connection as Connection  # noqa: N812

from rudderproj.prepared import Prepared, Rows

# Copies that arrive on both sides of midnight go to different partitions, whose inserts cannot see each other.
# Within a minute of midnight every id also enters one unpartitioned table, where copies collide. No statement runs
# that long.
_NEAR_MIDNIGHT = "extract(epoch FROM {now})::bigint % 86400 NOT BETWEEN 60 AND 86339"

_NEW = Rows(source_id="int", message_id="text", lane="smallint", user_key="text", position="int", payload="text")

# Whoever reads looks at the days from its cursor's on, so a day must never be smaller than that of an event before it:
# once the clock was ahead by days, the last day it told stays today's until the clock has come there.
# The look at yesterday is a scalar subquery on purpose: a join would be free to scan the whole partition.
# Sorted, because unsorted groups of retried ids deadlock; the order of events is the column `position`.
_TEMPLATE = f"""
WITH new {_NEW.columns} AS (SELECT * FROM {_NEW.sql}),
today AS (SELECT {{today}} AS day),
guarded AS (
    INSERT INTO ingest_midnight_key (source_id, message_id, created_at)
    SELECT source_id, message_id, {{now}} FROM new WHERE {_NEAR_MIDNIGHT} ORDER BY 1, 2
    ON CONFLICT DO NOTHING RETURNING source_id, message_id
)
INSERT INTO ingest_event (day, source_id, message_id, lane, user_key, xid, position, received_at, payload)
SELECT today.day, source_id, message_id, lane, user_key,
    pg_current_xact_id()::text::bigint, position, {{now}}, payload
FROM new, today
WHERE (
    SELECT 1 FROM ingest_event e
    WHERE e.day = today.day - 1
      AND e.source_id = new.source_id AND e.message_id = new.message_id
) IS NULL
AND (NOT ({_NEAR_MIDNIGHT}) OR (source_id, message_id) IN (SELECT source_id, message_id FROM guarded))
ORDER BY source_id, message_id, position
ON CONFLICT DO NOTHING
"""


def insert_statement(now: str, may_go_back: bool = False) -> Prepared:
    """The INSERT for a group; `now` is the SQL that says what time it is. Going back is for tests."""
    today = f"({now} AT TIME ZONE 'UTC')::date"
    newest = f"greatest({today}, (SELECT max(day) FROM ingest_event WHERE day > {today}))"
    return Prepared(_TEMPLATE.format(now=now, today=today if may_go_back else newest))


_INSERT = insert_statement("now()")

_REJECT = "INSERT INTO ingest_rejectedevent (source_id, received_at, message_id, reason, payload) VALUES %s"


class NewEvent(NamedTuple):
    """An event ready to be stored. `payload` is JSON text without NUL; `lane` is hashing.lane_of(user_key)."""

    source_id: int
    message_id: str
    lane: int
    user_key: str
    payload: str


class Rejection(NamedTuple):
    """A bad event of a request, to be kept with its reason."""

    source_id: int
    message_id: str
    reason: str
    payload: str


class CommitUnconfirmed(Exception):
    """The transaction is committed here, but a synchronous standby did not confirm it in time."""


def insert_events(raw: Connection, events: Sequence[NewEvent], statement: Prepared = _INSERT) -> int:
    """Store a group in one statement; returns how many were new (the rest were duplicates).

    Raises CommitUnconfirmed, or psycopg2.Error when nothing was stored or the outcome is unknown.
    """
    raw.notices.clear()
    with raw.cursor() as cursor:
        rows = (
            (e.source_id, e.message_id, e.lane, e.user_key, position, e.payload) for position, e in enumerate(events)
        )
        statement.execute(cursor, _NEW.parameters(rows))
        stored = cursor.rowcount
        if stored < 1:
            # Without a write the commit would not wait for a standby that may still lack the originals.
            cursor.execute("SELECT pg_logical_emit_message(true, 'rudderproj.duplicates', '')")
    _check_standby(raw)
    return stored


def insert_rejections(raw: Connection, rejections: Sequence[Rejection]) -> None:
    """Keep refused events with their reasons. Raises as insert_events does."""
    raw.notices.clear()
    with raw.cursor() as cursor:
        rows = [cursor.mogrify("(%s,now(),%s,%s,%s)", tuple(rejection)) for rejection in rejections]
        cursor.execute(_REJECT.encode().replace(b"%s", b",".join(rows), 1))
    _check_standby(raw)


def _check_standby(raw: Connection) -> None:
    """A COMMIT whose wait for a standby was cancelled succeeds with a warning: not durable enough for a 200.

    These statements say nothing else, and the server says it in its own language: any notice counts.
    """
    if raw.notices:
        raise CommitUnconfirmed("; ".join(notice.strip() for notice in raw.notices))
