"""Walking the event log backwards, a page at a time: of a source or all, of a user or all, of a range of time.

Every page costs about the same wherever it is in the log: pages are continued by place, a time is turned into a bound
on xids, and looking for a user reads only that user's lane, and no more than SCANNED_EVENTS of it for one page.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from ingest.hashing import lane_of
from ingest.lookup import COLUMNS, Found
from ingest.models import LANES
from rudderproj.db import SET_LOCAL_FROM_INDEXES

Place = tuple[int, int]

SCANNED_EVENTS = 10_000  # of other users, at most, for one page of a user's events
SLACK = timedelta(minutes=1)  # no insert takes that long, so xids follow the clock but for this much
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)  # of what can be asked for
LAST: Place = (2**63 - 1, 0)

_BOUNDS = """
e.source_id = s.id AND e.day BETWEEN %(first_day)s AND %(last_day)s
AND (e.xid, e.position) < (%(before_xid)s, %(before_position)s) AND e.xid >= %(least_xid)s
"""
_WHEN = "e.received_at >= %(since)s AND e.received_at <= %(until)s"
_SOURCES = "(SELECT id, name FROM ingest_source WHERE %(source)s IS NULL OR id = %(source)s) s"
_BACKWARDS = "ORDER BY e.xid DESC, e.position DESC"

# The newest of each lane; among them are the newest of all.
_ALL_USERS = f"""
SELECT {COLUMNS} FROM {_SOURCES} CROSS JOIN generate_series(0, {LANES - 1}) hash CROSS JOIN LATERAL (
    SELECT * FROM ingest_event e WHERE {_BOUNDS} AND e.lane = hash AND {_WHEN} {_BACKWARDS} LIMIT %(limit)s
) e
{_BACKWARDS} LIMIT %(limit)s
"""

# Payloads are fetched for the user's own events only. `floor` is how far every source was looked through.
_ONE_USER = f"""
WITH seen AS MATERIALIZED (
    SELECT s.name, e.*, row_number() OVER (PARTITION BY s.id {_BACKWARDS}) AS nth
    FROM {_SOURCES} CROSS JOIN LATERAL (
        SELECT e.day, e.source_id, e.message_id, e.xid, e.position, e.user_key = %(user_key)s AND {_WHEN} AS wanted
        FROM ingest_event e WHERE {_BOUNDS} AND e.lane = %(lane)s {_BACKWARDS} LIMIT %(scanned)s
    ) e
), floor AS (
    SELECT e.xid, e.position FROM seen e WHERE nth = %(scanned)s {_BACKWARDS} LIMIT 1
)
SELECT (SELECT xid FROM floor), (SELECT position FROM floor), found.*
FROM (SELECT) once LEFT JOIN (
    SELECT {COLUMNS} FROM seen s JOIN ingest_event e
        ON e.day = s.day AND e.source_id = s.source_id AND e.message_id = s.message_id
    WHERE s.wanted AND NOT EXISTS (SELECT FROM floor WHERE (s.xid, s.position) < (floor.xid, floor.position))
    {_BACKWARDS} LIMIT %(limit)s
) found ON true
"""

_BUSIEST_LANE = f"""
SELECT t.source_id, hash FROM ingest_tally t, generate_series(0, {LANES - 1}) hash
WHERE %(source)s IS NULL OR t.source_id = %(source)s ORDER BY t.by_lane[hash + 1] DESC LIMIT 1
"""
_NEXT_IN_LANE = """
SELECT e.xid, e.received_at FROM ingest_event e
WHERE e.source_id = %s AND e.lane = %s AND e.xid >= %s ORDER BY e.xid, e.position LIMIT 1
"""
_LAST_IN_LANE = """
SELECT e.xid FROM ingest_event e WHERE e.source_id = %s AND e.lane = %s ORDER BY e.xid DESC, e.position DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What to look for; None: any. `since` and `until` are the first and last moment of acceptance."""

    source_id: int | None = None
    user_key: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Events, newest first. `next_before` continues; None: there are no more. A page may be empty and have a next."""

    events: list[Found]
    next_before: Place | None


def page(asked: Asked, limit: int, before: Place | None = None) -> Page:
    """Up to `limit` events before a place. Raises django.db.DatabaseError."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SET_LOCAL_FROM_INDEXES)
        sources = _count_sources(cursor, asked.source_id)
        parameters = _parameters(cursor, asked, before or LAST) | {"limit": limit}
        if asked.user_key is None:
            cursor.execute(_ALL_USERS, parameters)
            events, floor = [Found(*row) for row in cursor.fetchall()], None
        else:
            share = max(SCANNED_EVENTS // sources, 100)
            user = {"user_key": asked.user_key, "lane": lane_of(asked.user_key), "scanned": share}
            cursor.execute(_ONE_USER, parameters | user)
            rows = cursor.fetchall()
            floor = None if rows[0][0] is None else (rows[0][0], rows[0][1])
            events = [Found(*row[2:]) for row in rows if row[2] is not None]
    return Page(events, (events[-1].xid, events[-1].position) if len(events) == limit else floor)


def _count_sources(cursor: Any, source_id: int | None) -> int:
    if source_id is not None:
        return 1
    cursor.execute("SELECT count(*) FROM ingest_source")
    return max(int(cursor.fetchone()[0]), 1)


def _parameters(cursor: Any, asked: Asked, before: Place) -> dict[str, Any]:
    since, until = max(asked.since or EARLIEST, EARLIEST), min(asked.until or LATEST, LATEST)
    least_xid = _xids_around(cursor, asked.source_id, since - SLACK)[0] if asked.since else 0
    if asked.until:
        before = min(before, (_xids_around(cursor, asked.source_id, until + SLACK)[1], 0))
    return {
        "source": asked.source_id,
        "since": since,
        "until": until,
        "first_day": _day(since),
        "last_day": _day(until),
        "least_xid": least_xid,
        "before_xid": before[0],
        "before_position": before[1],
    }


def _xids_around(cursor: Any, source_id: int | None, moment: datetime) -> tuple[int, int]:
    """An xid from before the moment and one from after it, close together where the busiest lane is dense."""
    cursor.execute(_BUSIEST_LANE, {"source": source_id})
    lane = cursor.fetchone()
    cursor.execute(_LAST_IN_LANE, lane or (0, 0))
    newest = cursor.fetchone()
    before, after = 0, LAST[0]
    low, high = 0, newest[0] if newest else -1
    while low <= high:  # the bounds are moved by what the log says, so that sparse xids cost few steps
        middle = (low + high) // 2
        cursor.execute(_NEXT_IN_LANE, [*lane, middle])
        xid, received_at = cursor.fetchone()
        if received_at < moment:
            before, low = xid, xid + 1
        else:
            after, high = xid, middle - 1
    return before, after


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
