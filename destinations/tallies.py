"""Counting events per connection, each number from its own evidence, so that their sum proves something.

accepted comes from the log, delivered, aborted, skipped and filtered from the lanes' counters, pending from the log
beyond the lanes' cursors, failed and waiting from their rows. Call all within one snapshot. Must never walk a whole
log: what lies behind a milestone is added up (ingest.tally), only the rest is counted.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg2
import structlog
from django.db import connection, transaction

from ingest import tally
from ingest.models import LANES
from rudderproj import db

log = structlog.get_logger(__name__)

ROLL_UP_SECONDS = 30.0  # of one statement

# Events of each lane of each source that no tally includes yet.
_TAIL = f"""
tail AS MATERIALIZED (
    SELECT t.source_id, hash AS lane, counted.events
    FROM ingest_tally t CROSS JOIN generate_series(0, {LANES - 1}) hash CROSS JOIN LATERAL (
        SELECT count(*) AS events FROM ingest_event e
        WHERE e.source_id = t.source_id AND e.lane = hash AND e.xid >= t.through_xid AND e.day >= t.day - 1
    ) counted
)"""

_ACCEPTED = f"""
WITH {_TAIL}
SELECT c.id, t.accepted + (SELECT sum(events) FROM tail WHERE tail.source_id = t.source_id) - c.accepted_before
FROM destinations_connection c JOIN ingest_tally t ON t.source_id = c.source_id
"""

_STORED = f"""
WITH {_TAIL}
SELECT t.source_id, t.accepted + (SELECT sum(events) FROM tail WHERE tail.source_id = t.source_id) FROM ingest_tally t
"""

# What a replay recovered of the dead letters, the lanes still count as aborted.
_SETTLED = """
SELECT l.connection_id, sum(l.delivered) + coalesce(max(r.events), 0), sum(l.aborted) - coalesce(max(r.events), 0),
    sum(l.skipped), sum((SELECT coalesce(sum(value::bigint), 0) FROM jsonb_each_text(l.filtered)))
FROM destinations_effective_lane l LEFT JOIN destinations_recovery r ON r.connection_id = l.connection_id
GROUP BY l.connection_id
"""

# Behind an old cursor: up to the next milestone event by event, from there to the tally by difference, then the tail.
_PENDING = f"""
WITH {_TAIL},
lanes AS MATERIALIZED (
    SELECT l.*, c.source_id, t.through_xid, t.by_lane[l.number + 1] AS tallied,
        coalesce(next.xid, t.through_xid) AS counted_to,
        (coalesce(next.by_lane, t.by_lane))[l.number + 1] AS counted_off
    FROM destinations_effective_lane l
    JOIN destinations_connection c ON c.id = l.connection_id
    JOIN ingest_tally t ON t.source_id = c.source_id
    LEFT JOIN LATERAL (
        SELECT m.xid, m.by_lane FROM ingest_milestone m
        WHERE m.source_id = c.source_id AND m.xid > l.xid ORDER BY m.xid LIMIT 1
    ) next ON true
),
counted AS (
    SELECT l.connection_id, l.lane_id, CASE
        WHEN l.xid < l.through_xid THEN
            (SELECT count(*) FROM ingest_event e
             WHERE e.source_id = l.source_id AND e.lane = l.number AND e.day >= l.day - 1
                AND (e.xid, e.position) > (l.xid, l.position) AND e.xid < l.counted_to)
            + l.tallied - l.counted_off
            + (SELECT tail.events FROM tail WHERE tail.source_id = l.source_id AND tail.lane = l.number)
        ELSE
            (SELECT count(*) FROM ingest_event e
             WHERE e.source_id = l.source_id AND e.lane = l.number AND e.day >= l.day - 1
                AND (e.xid, e.position) > (l.xid, l.position))
        END - jsonb_array_length(l.beyond) AS events
    FROM lanes l
)
SELECT n.connection_id, sum(n.events), min(oldest.received_at)
FROM counted n JOIN lanes l ON l.lane_id = n.lane_id
LEFT JOIN LATERAL (
    SELECT e.received_at FROM ingest_event e
    WHERE n.events > 0 AND e.source_id = l.source_id AND e.lane = l.number AND e.day >= l.day - 1
        AND (e.xid, e.position) > (l.xid, l.position)
        AND NOT EXISTS (SELECT FROM jsonb_array_elements(l.beyond) b
                        WHERE (b->>0)::bigint = e.xid AND (b->>1)::integer = e.position)
    ORDER BY e.xid, e.position LIMIT 1
) oldest ON true
GROUP BY n.connection_id
"""

# next_attempt_at is set for failed and for no other state (a constraint says so), and the index holds it.
_HELD = """
SELECT d.connection_id, count(d.next_attempt_at), count(*) - count(d.next_attempt_at), (
    SELECT coalesce(e.received_at, first.created_at)
    FROM destinations_delivery first
    JOIN destinations_connection c ON c.id = first.connection_id
    LEFT JOIN ingest_event e ON e.source_id = c.source_id AND e.lane = first.lane AND e.day = first.day
        AND e.xid = first.xid AND e.position = first.position
    WHERE first.connection_id = d.connection_id AND first.replay = 0 AND first.state IN ('failed', 'waiting')
    ORDER BY first.xid, first.position LIMIT 1
)
FROM destinations_delivery d WHERE d.replay = 0 AND d.state IN ('failed', 'waiting') GROUP BY d.connection_id
"""


@dataclass(slots=True)
class Terms:
    """The terms of the conservation equation, each counted by itself."""

    accepted: int = 0
    delivered: int = 0
    pending: int = 0
    failed: int = 0
    waiting: int = 0
    aborted: int = 0
    filtered: int = 0
    skipped: int = 0

    @property
    def difference(self) -> int:
        """Accepted events whose whereabouts nothing explains: 0 unless something is wrong."""
        settled = self.delivered + self.aborted + self.filtered + self.skipped
        return self.accepted - settled - self.pending - self.failed - self.waiting


@dataclass(slots=True)
class Counts(Terms):
    """One connection's numbers."""

    oldest_at: datetime | None = None  # when the oldest event that is still owed was accepted


def roll_up(asked_by: str) -> None:
    """Leave as little as possible to be counted. Counts are right without, only slower: a standby cannot be written."""
    try:
        with closing(db.connect(asked_by, ROLL_UP_SECONDS)) as raw:
            tally.roll_up_all(raw)
    except psycopg2.Error as error:
        log.info("tallies.not_rolled_up", asked_by=asked_by, error=str(error).strip())


@contextmanager
def one_snapshot() -> Iterator[datetime]:
    """A transaction in which every query sees the same instant: the database's time, which received_at is in too."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(db.SET_LOCAL_FROM_INDEXES)
            cursor.execute("SELECT now()")
            (now,) = cursor.fetchone()
        yield now


def count() -> dict[int, Counts]:
    """The counts of every connection by its id. The caller has opened a REPEATABLE READ transaction."""
    found = {row[0]: Counts(accepted=int(row[1])) for row in _rows(_ACCEPTED)}
    for row in _rows(_SETTLED):
        counts = found[row[0]]
        counts.delivered, counts.aborted, counts.skipped, counts.filtered = map(int, row[1:])
    for pk, pending, oldest_at in _rows(_PENDING):
        found[pk].pending, found[pk].oldest_at = int(pending), oldest_at
    for pk, failed, waiting, oldest_at in _rows(_HELD):
        found[pk].failed, found[pk].waiting = failed, waiting
        found[pk].oldest_at = min(filter(None, [found[pk].oldest_at, oldest_at]), default=None)
    return found


def stored() -> dict[int, int]:
    """How many events the log ever took of each source, by its id. The caller has opened a snapshot, as for count."""
    return {source_id: int(events) for source_id, events in _rows(_STORED)}


def _rows(query: str) -> Iterator[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        yield from cursor.fetchall()
