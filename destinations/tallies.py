"""Counting events per connection, each number from its own evidence, so that their sum proves something.

accepted comes from the log, delivered, aborted, skipped and filtered from the lanes' counters, pending from the log
beyond the lanes' cursors, failed and waiting from their rows. Call all within one snapshot. Must never walk a whole
log: what lies behind a milestone is added up (ingest.tally), only the rest is counted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg2
import structlog
from django.db import connection, transaction

from destinations.lanes import LANE_ROWS
from ingest import tally
from ingest.models import LANES
from rudderproj import db

log = structlog.get_logger(__name__)

ROLL_UP_SECONDS = 30.0  # of one statement
MAX_XID, MAX_POSITION = 2**63 - 1, 2**31 - 1

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

# Only lanes with something after their cursor are looked at, and cursors at one place once for all connections. From a
# cursor events are counted one by one to the next cursor or milestone, whichever comes first: no event twice, however
# many cursors there are. From the milestone to the tally it is a difference, then comes the tail.
_PENDING = f"""
WITH {_TAIL},
newest AS MATERIALIZED (
    SELECT t.source_id, hash AS number, e.xid, e.position
    FROM ingest_tally t CROSS JOIN generate_series(0, {LANES - 1}) hash CROSS JOIN LATERAL (
        SELECT e.xid, e.position FROM ingest_event e WHERE e.source_id = t.source_id AND e.lane = hash
        ORDER BY e.xid DESC, e.position DESC LIMIT 1
    ) e
),
behind AS MATERIALIZED (
    SELECT l.connection_id, c.source_id, l.number, l.xid, l.position, l.day, l.beyond
    FROM destinations_effective_lane l
    JOIN destinations_connection c ON c.id = l.connection_id
    JOIN newest n ON n.source_id = c.source_id AND n.number = l.number AND (n.xid, n.position) > (l.xid, l.position)
),
place AS MATERIALIZED (
    SELECT p.*,
        CASE WHEN p.xid < t.through_xid THEN coalesce(next.xid, t.through_xid) ELSE {MAX_XID} END AS counted_to,
        CASE WHEN p.xid < t.through_xid THEN t.by_lane[p.number + 1] - (coalesce(next.by_lane, t.by_lane))[p.number + 1]
            + (SELECT tail.events FROM tail WHERE tail.source_id = p.source_id AND tail.lane = p.number)
        ELSE 0 END - jsonb_array_length(p.beyond) AS besides
    FROM (SELECT DISTINCT source_id, number, xid, position, day, beyond FROM behind) p
    JOIN ingest_tally t ON t.source_id = p.source_id
    LEFT JOIN LATERAL (
        SELECT m.xid, m.by_lane FROM ingest_milestone m
        WHERE m.source_id = p.source_id AND m.xid > p.xid ORDER BY m.xid LIMIT 1
    ) next ON true
),
stretch AS MATERIALIZED (
    SELECT p.*, (
        SELECT count(*) FROM ingest_event e
        WHERE e.source_id = p.source_id AND e.lane = p.number AND e.day >= p.day - 1
            AND (e.xid, e.position) > (p.xid, p.position) AND (e.xid, e.position) <= (p.to_xid, p.to_position)
    ) AS events
    FROM (
        SELECT *, lead(xid, 1, counted_to - 1) OVER following AS to_xid,
            lead(position, 1, {MAX_POSITION}) OVER following AS to_position
        FROM place WINDOW following AS (PARTITION BY source_id, number, counted_to ORDER BY xid, position)
    ) p
),
counted AS MATERIALIZED (
    SELECT s.*, besides + sum(events) OVER (
        PARTITION BY source_id, number, counted_to ORDER BY xid DESC, position DESC) AS pending, (
        SELECT e.received_at FROM ingest_event e
        WHERE e.source_id = s.source_id AND e.lane = s.number AND e.day >= s.day - 1
            AND (e.xid, e.position) > (s.xid, s.position)
            AND NOT EXISTS (SELECT FROM jsonb_array_elements(s.beyond) b
                            WHERE (b->>0)::bigint = e.xid AND (b->>1)::integer = e.position)
        ORDER BY e.xid, e.position LIMIT 1
    ) AS oldest_at
    FROM stretch s
),
stopped AS MATERIALIZED (
    SELECT d.connection_id, d.lane AS number FROM destinations_delivery d
    WHERE d.replay = 0 AND d.state IN ('failed', 'waiting')
    GROUP BY d.connection_id, d.lane HAVING count(*) >= {LANE_ROWS}
)
SELECT b.connection_id, sum(c.pending), min(c.oldest_at), min(c.oldest_at) FILTER (WHERE s.number IS NULL)
FROM behind b JOIN counted c USING (source_id, number, xid, position, day, beyond)
LEFT JOIN stopped s USING (connection_id, number)
GROUP BY b.connection_id
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
    oldest_pending_at: datetime | None = None  # the same of those behind no retry


_database = db.Kept("tallies", ROLL_UP_SECONDS)


def roll_up(asked_by: str) -> None:
    """Leave as little as possible to be counted. Counts are right without, only slower: a standby cannot be written."""
    try:
        _database.run(tally.roll_up_all)
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
    for pk, pending, oldest_at, oldest_pending_at in _rows(_PENDING):
        found[pk].pending, found[pk].oldest_at, found[pk].oldest_pending_at = int(pending), oldest_at, oldest_pending_at
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
