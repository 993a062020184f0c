"""Rolling up the tallies: how many events of each source, and of each of its lanes, lie below a settled xid.

Below the horizon nothing is added any more, so a tally is a fact and not an estimate, and rolling up at any time, twice
or from two processes gives the same numbers. Must never count above the horizon.
"""

from datetime import date

from psycopg2.extensions import connection as Connection  # noqa: N812

from ingest.models import LANES

MILESTONE_EVENTS = 20_000  # a milestone is kept about every so many events of a source
STEP_EVENTS = 500  # of a lane: bounds a statement, and what lies between two milestones, also after a long pause


# The count takes no xid, so it does not hold the horizon; only the guarded UPDATE at its end does.
_STEP = f"""
WITH old AS MATERIALIZED (
    SELECT through_xid, day, by_lane FROM ingest_tally WHERE source_id = %(source)s
), upto AS MATERIALIZED (
    SELECT (now() AT TIME ZONE 'UTC')::date AS today, least(
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
        (SELECT min(nth.xid) + 1 FROM old, generate_series(0, {LANES - 1}) hash CROSS JOIN LATERAL (
            SELECT e.xid FROM ingest_event e
            WHERE e.source_id = %(source)s AND e.lane = hash AND e.day >= old.day - 1 AND e.xid >= old.through_xid
            ORDER BY e.xid, e.position OFFSET %(step)s LIMIT 1
        ) nth)
    ) AS xid
), fresh AS MATERIALIZED (
    SELECT array_agg(old.by_lane[hash + 1] + events ORDER BY hash) AS by_lane, sum(events)::bigint AS events
    FROM old, upto, generate_series(0, {LANES - 1}) hash CROSS JOIN LATERAL (
        SELECT count(*) AS events FROM ingest_event e
        WHERE e.source_id = %(source)s AND e.lane = hash AND e.day >= old.day - 1
            AND e.xid >= old.through_xid AND e.xid < upto.xid
    ) counted
), rolled AS (
    UPDATE ingest_tally t SET through_xid = upto.xid, accepted = t.accepted + fresh.events, by_lane = fresh.by_lane,
        day = CASE WHEN upto.xid = pg_snapshot_xmin(pg_current_snapshot())::text::bigint THEN today ELSE t.day END
    FROM fresh, upto, old
    WHERE t.source_id = %(source)s AND t.through_xid = old.through_xid AND upto.xid >= old.through_xid
        AND (fresh.events > 0 OR old.day < today)
    RETURNING t.source_id, t.through_xid, t.accepted, t.by_lane, fresh.events
), milestone AS (
    INSERT INTO ingest_milestone (source_id, xid, accepted, by_lane, day)
    SELECT source_id, through_xid, accepted, by_lane, today FROM rolled, upto
    WHERE accepted - coalesce(
        (SELECT max(accepted) FROM ingest_milestone m WHERE m.source_id = %(source)s), 0) >= %(spacing)s
    ON CONFLICT DO NOTHING
)
SELECT events FROM rolled
"""

# Whether an event of a day is in no tally yet.
_UNTALLIED = f"""
SELECT 1 FROM ingest_tally t CROSS JOIN generate_series(0, {LANES - 1}) hash
WHERE (SELECT 1 FROM ingest_event e
       WHERE e.source_id = t.source_id AND e.lane = hash AND e.day = %s AND e.xid >= t.through_xid LIMIT 1) IS NOT NULL
LIMIT 1
"""

# The last one of a source stays: the next is made so many events after it.
_PRUNE = """
DELETE FROM ingest_milestone m WHERE m.day < %s
    AND m.xid < (SELECT max(last.xid) FROM ingest_milestone last WHERE last.source_id = m.source_id)
"""


def roll_up(raw: Connection, source_id: int) -> int:
    """Bring one source's tally up to the horizon, step by step; returns how many events that added."""
    total = 0
    with raw.cursor() as cursor:
        while True:
            cursor.execute(_STEP, {"source": source_id, "step": STEP_EVENTS, "spacing": MILESTONE_EVENTS})
            row = cursor.fetchone()
            added = int(row[0]) if row else 0
            total += added
            if added <= STEP_EVENTS:  # a step that was cut short added more: this one reached the horizon
                return total


def roll_up_all(raw: Connection) -> int:
    """Bring every tally up to the horizon; returns how many events that added."""
    with raw.cursor() as cursor:
        cursor.execute("SELECT source_id FROM ingest_tally ORDER BY source_id")
        return sum(roll_up(raw, row[0]) for row in cursor.fetchall())


def covers(raw: Connection, day: date) -> bool:
    """Whether the tallies hold every event of this day, which must be over: then counting does without it."""
    with raw.cursor() as cursor:
        cursor.execute(_UNTALLIED, [day])
        return cursor.fetchone() is None


def prune_milestones(raw: Connection, oldest: date) -> int:
    """Delete milestones from before the log's oldest day: no event that is still counted lies before them."""
    with raw.cursor() as cursor:
        cursor.execute(_PRUNE, [oldest])
        return int(cursor.rowcount)
