"""Which days of the event log are still needed: for events ahead of cursors, also a replay's, and rows not final yet.

A connection that is paused, held or switched off needs them all the same, and so does a replay that is paused. Must
never walk the log: it looks only into the days asked for, by index, one event a lane.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from ingest import partitions
from ingest.models import LANES
from ingest.retention import Need

# An event that is settled beyond the cursor counts too: the lane remembers its place until the cursor has passed it.
AHEAD = """(
    (e.xid, e.position) > (l.xid, l.position)
    AND (l.replay = 0 OR (e.xid, e.position) < (l.end_xid, l.end_position))
)"""
# A replay of dead letters has copies, and needs no log; nor does one that has ended.
FROM_LOG = """(l.replay = 0 OR l.replay IN (
    SELECT id FROM destinations_replay WHERE origin = 'log' AND state IN ('running', 'paused')))"""

# The oldest of these days in which each lane has something ahead of its cursor. For the live ones the newest event of a
# source's lane in a day tells, once for all connections; a replay may end before that.
PENDING = f"""
newest AS MATERIALIZED (
    SELECT s.source_id, n.number, d.day, e.xid, e.position
    FROM (SELECT DISTINCT source_id FROM destinations_connection) s
    CROSS JOIN generate_series(0, {LANES - 1}) n (number) CROSS JOIN unnest(%(days)s::date[]) d (day)
    CROSS JOIN LATERAL (
        SELECT e.xid, e.position FROM ingest_event e
        WHERE e.source_id = s.source_id AND e.lane = n.number AND e.day = d.day
        ORDER BY e.xid DESC, e.position DESC LIMIT 1
    ) e
), lanes AS MATERIALIZED (
    SELECT l.*, c.source_id, c.destination_id
    FROM destinations_effective_any_lane l JOIN destinations_connection c ON c.id = l.connection_id
    WHERE l.day - 1 <= %(through)s AND {FROM_LOG}
), pending AS MATERIALIZED (
    SELECT l.lane_id, l.connection_id, l.replay, l.destination_id, min(n.day) AS day
    FROM lanes l JOIN newest n ON n.source_id = l.source_id AND n.number = l.number
        AND (n.xid, n.position) > (l.xid, l.position)
    WHERE l.replay = 0 GROUP BY l.lane_id, l.connection_id, l.replay, l.destination_id
    UNION ALL
    SELECT l.lane_id, l.connection_id, l.replay, l.destination_id, first.day
    FROM lanes l CROSS JOIN LATERAL (
        SELECT e.day FROM ingest_event e
        WHERE e.source_id = l.source_id AND e.lane = l.number AND {AHEAD}
          AND e.day BETWEEN l.day - 1 AND %(through)s
        ORDER BY e.xid, e.position LIMIT 1
    ) first
    WHERE l.replay > 0
)
"""

_NEEDS = f"""
WITH {PENDING}, needed AS (
    SELECT connection_id, replay, min(day) AS day, 'pending' AS because FROM pending GROUP BY connection_id, replay
    UNION ALL
    SELECT connection_id, replay, min(day), 'failed' FROM destinations_delivery l
    WHERE state IN ('failed', 'waiting') AND day <= %(through)s AND {FROM_LOG} GROUP BY connection_id, replay
)
SELECT n.day, s.name || ' -> ' || d.name || CASE WHEN n.replay > 0 THEN ', replay ' || n.replay ELSE '' END,
    concat_ws(', ', n.because, CASE WHEN NOT (c.enabled AND d.enabled) THEN 'disabled' END,
        CASE WHEN h.state <> 'ok' THEN h.state END)
FROM needed n
JOIN destinations_connection c ON c.id = n.connection_id
JOIN ingest_source s ON s.id = c.source_id
JOIN destinations_destination d ON d.id = c.destination_id
JOIN destinations_health h ON h.destination_id = d.id
"""


def needs(raw: Connection, through: date) -> Sequence[Need]:
    """Which connections and replays need days up to and including this one, each with the oldest one and why."""
    with raw.cursor() as cursor:
        cursor.execute(_NEEDS, parameters(raw, through))
        return [Need(*row) for row in cursor.fetchall()]


def parameters(raw: Connection, through: date) -> dict[str, Any]:
    """What PENDING asks for: the days of the log up to and including this one."""
    days = [partition.day for partition in partitions.attached(raw) if partition.day <= through]
    return {"through": through, "days": days}
