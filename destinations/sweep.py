"""Ringing every destination that has work and no fresh ring: the net under lost messages, dead links and due retries.

Must never walk the log: it compares each lane's newest event with its cursor.
"""

from contextlib import closing

from destinations import doorbell
from rudderproj import db

STATEMENT_SECONDS = 10.0

# Once a second in the whole deployment, however many beats and workers ask.
_TURN = """
INSERT INTO destinations_sweep (id, ran_at) VALUES (1, now())
ON CONFLICT (id) DO UPDATE SET ran_at = now() WHERE destinations_sweep.ran_at < now() - interval '0.9 second'
RETURNING id
"""

_WORK = """
WITH newest AS MATERIALIZED (
    SELECT s.id AS source_id, n.number, e.xid, e.position
    FROM (SELECT DISTINCT source_id AS id FROM destinations_connection) s
    CROSS JOIN generate_series(0, 63) n (number)
    CROSS JOIN LATERAL (
        SELECT e.xid, e.position FROM ingest_event e WHERE e.source_id = s.id AND e.lane = n.number
        ORDER BY e.xid DESC, e.position DESC LIMIT 1) e
),
heads AS (
    SELECT DISTINCT ON (connection_id, lane, user_key) connection_id, next_attempt_at
    FROM destinations_delivery WHERE state IN ('failed', 'waiting')
    ORDER BY connection_id, lane, user_key, xid, position
),
working AS (
    SELECT c.destination_id FROM destinations_effective_lane l
    JOIN destinations_connection c ON c.id = l.connection_id
    JOIN newest n ON n.source_id = c.source_id AND n.number = l.number AND (n.xid, n.position) > (l.xid, l.position)
    UNION
    SELECT c.destination_id FROM heads h JOIN destinations_connection c ON c.id = h.connection_id
    WHERE h.next_attempt_at IS NULL OR h.next_attempt_at <= now()
    UNION
    SELECT destination_id FROM destinations_claim WHERE expires_at <= now()
)
SELECT h.destination_id FROM destinations_health h JOIN working w ON w.destination_id = h.destination_id
WHERE h.state = 'ok' AND (h.breaker = 'closed' OR h.probe_at <= now()) AND (SELECT mode FROM alerts_mode) = 'normal'
"""


def sweep() -> int:
    """Ring who needs it, if nobody swept a moment ago; returns how many were rung.

    Raises one of doorbell.BROKER_AWAY, or psycopg2.Error.
    """
    with closing(db.connect("sweep", STATEMENT_SECONDS)) as raw, raw.cursor() as cursor:
        cursor.execute(_TURN)
        if cursor.fetchone() is None:
            return 0
        cursor.execute(_WORK)
        destination_ids = [row[0] for row in cursor.fetchall()]
    return doorbell.ring(destination_ids)
