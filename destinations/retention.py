"""Giving up what connections and replays are still owed of a day dropped by policy: counted as skipped, lane by lane.

Each lane is settled in one statement of its own, only while nobody forwards it and only as it was read, so that every
event is counted once, whatever else goes on and whenever this is killed.
"""

from datetime import date
from typing import Any, NamedTuple

from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations import lanes, needed
from ingest import retention
from ingest.retention import Keeper

REASON = "retention"
TRIES = 3  # to have a lane to ourselves; then the next upkeep goes on

_OWED = f"""
WITH {needed.PENDING}
SELECT destination_id, lane_id FROM pending
UNION
SELECT c.destination_id, l.id FROM destinations_delivery d
JOIN destinations_connection c ON c.id = d.connection_id
JOIN destinations_lane l ON l.connection_id = d.connection_id AND l.replay = d.replay AND l.number = d.lane
WHERE d.state IN ('failed', 'waiting') AND d.day <= %(through)s AND {needed.FROM_LOG}
ORDER BY 1, 2
"""

_LANE = """
SELECT l.id, l.xmin::text, l.connection_id, c.source_id, l.number, l.xid, l.position, l.day
FROM destinations_lane l JOIN destinations_connection c ON c.id = l.connection_id
WHERE l.id = %s AND l.claim_id IS NULL
"""

_LAST = f"""
SELECT e.xid, e.position FROM ingest_event e JOIN destinations_lane l ON l.id = %(id)s
WHERE e.source_id = %(source_id)s AND e.lane = %(number)s AND e.day = %(through)s AND {needed.AHEAD}
ORDER BY e.xid DESC, e.position DESC LIMIT 1
"""

# All up to the day's last place, also what was accepted with it just after midnight. What the connection was switched
# off for would have been filtered.
_COUNT = f"""
SELECT count(*) FILTER (WHERE NOT off), count(*) FILTER (WHERE off) FROM (
    SELECT l.replay = 0 AND EXISTS (
        SELECT FROM destinations_gap g WHERE g.connection_id = %(connection_id)s AND g.from_xid <= e.xid
          AND (g.to_xid IS NULL OR e.xid < g.to_xid
            OR pg_visible_in_snapshot(e.xid::text::xid8, g.snapshot::pg_snapshot))) AS off
    FROM ingest_event e JOIN destinations_lane l ON l.id = %(id)s
    WHERE e.source_id = %(source_id)s AND e.lane = %(number)s AND e.day BETWEEN %(day)s - 1 AND %(through)s + 1
      AND {needed.AHEAD} AND (e.xid, e.position) <= (%(to_xid)s, %(to_position)s)
      AND (l.picks IS NULL OR l.picks @> jsonb_build_array(jsonb_build_array(e.xid, e.position)))
      AND NOT l.beyond @> jsonb_build_array(jsonb_build_array(e.xid, e.position))
) passed
"""

# A row version (xmin) names the lane as it was read: who claims it or gives it back makes another.
_SETTLE = """
WITH lane AS MATERIALIZED (
    SELECT id, connection_id, replay, number FROM destinations_lane
    WHERE id = %(id)s AND claim_id IS NULL AND xmin = %(version)s::xid FOR UPDATE
), rows AS (
    UPDATE destinations_delivery d
    SET state = 'skipped', reason = %(reason)s, next_attempt_at = NULL, updated_at = now()
    FROM lane WHERE d.connection_id = lane.connection_id AND d.replay = lane.replay AND d.lane = lane.number
      AND d.state IN ('failed', 'waiting') AND d.day <= %(through)s
    RETURNING 1
), given_up AS MATERIALIZED (
    SELECT lane.id, lane.connection_id, lane.replay, %(owed)s + (SELECT count(*) FROM rows) AS events FROM lane
), moved AS (
    UPDATE destinations_lane l SET xid = %(to_xid)s, position = %(to_position)s, day = greatest(l.day, %(to_day)s),
        skipped = l.skipped + g.events,
        filtered = CASE WHEN %(off)s = 0 THEN l.filtered ELSE l.filtered || jsonb_build_object(
            'disabled', coalesce((l.filtered->>'disabled')::bigint, 0) + %(off)s) END,
        beyond = (SELECT coalesce(jsonb_agg(b), '[]') FROM jsonb_array_elements(l.beyond) b
                  WHERE ((b->>0)::bigint, (b->>1)::integer) > (%(to_xid)s, %(to_position)s))
    FROM given_up g WHERE l.id = g.id
), noted AS (
    INSERT INTO destinations_retentionskip (connection_id, day, events, at)
    SELECT connection_id, %(through)s, events, now() FROM given_up WHERE events > 0 AND replay = 0
    ON CONFLICT (connection_id, day) DO UPDATE SET events = destinations_retentionskip.events + excluded.events
)
SELECT events FROM given_up
"""


class _Lane(NamedTuple):
    """A free lane as it was read."""

    id: int
    version: str
    connection_id: int
    source_id: int
    number: int
    xid: int
    position: int
    day: date


def register() -> None:
    """Called once, when the app is ready."""
    retention.keep_for("connections", Keeper(needed.needs, give_up))


def give_up(raw: Connection, through: date) -> int:
    """Settle as skipped all that connections are owed of days up to this one; returns how many events that were.

    Whose lanes are being forwarded loses its claim. A lane that is claimed again at once is left for the next time.
    """
    with raw.cursor() as cursor:
        cursor.execute(_OWED, needed.parameters(raw, through))
        owed = cursor.fetchall()
    return sum(_settle(raw, destination_id, lane_id, through) for destination_id, lane_id in owed)


def _settle(raw: Connection, destination_id: int, lane_id: int, through: date) -> int:
    for _ in range(TRIES):
        with raw.cursor() as cursor:
            cursor.execute(_LANE, [lane_id])
            if (row := cursor.fetchone()) and (given_up := _settle_read(cursor, _Lane(*row), through)) is not None:
                return given_up
        lanes.revoke(raw, destination_id)
    return 0


def _settle_read(cursor: Any, lane: _Lane, through: date) -> int | None:
    """Settle a lane that was just read; None if it has changed since."""
    values = lane._asdict() | {"through": through, "reason": REASON, "owed": 0, "off": 0}
    values |= {"to_xid": lane.xid, "to_position": lane.position, "to_day": lane.day}
    cursor.execute(_LAST, values)
    if last := cursor.fetchone():
        values |= {"to_xid": last[0], "to_position": last[1], "to_day": through}
        cursor.execute(_COUNT, values)
        values["owed"], values["off"] = cursor.fetchone()
    cursor.execute(_SETTLE, values)
    row = cursor.fetchone()
    return int(row[0]) if row else None
