"""Ringing every destination that has work and no fresh ring: the net under lost messages, dead links and due retries.

Must never walk the log: it compares each lane's newest event with its cursor.
"""

from psycopg2.extensions import connection as Connection  # noqa: N812

from alerts import modes
from destinations import doorbell, unreadable
from destinations.replay import steer
from destinations.servable import DUE, SKIPPED, next_xid
from destinations.suspects import looking, verdict
from rudderproj import db
from rudderproj.prepared import Prepared

STATEMENT_SECONDS = 10.0

# Once a second in the whole deployment, however many beats and workers ask. A turn in the future is no turn: the
# database's clock was put back, and waiting for it would leave lost rings lost for as long. With it comes what there is
# to tidy: hardly ever anything, and four questions a second less.
_TURN = """
INSERT INTO destinations_sweep (id, ran_at) VALUES (1, now())
ON CONFLICT (id) DO UPDATE SET ran_at = now()
WHERE destinations_sweep.ran_at NOT BETWEEN now() - interval '0.9 second' AND now()
RETURNING EXISTS (SELECT FROM destinations_health WHERE state = 'held'),
    EXISTS (SELECT FROM destinations_replay WHERE counts IS NULL),
    EXISTS (SELECT FROM destinations_suspect WHERE state = 'open')
"""

# The newest events are looked for from the day on of the source's cursor furthest behind, not in a month's partitions.
_WORK = Prepared(f"""
WITH newest AS MATERIALIZED (
    SELECT s.id AS source_id, n.number, e.xid, e.position
    FROM (SELECT c.source_id AS id, min(l.day) AS day
          FROM destinations_effective_lane l JOIN destinations_connection c ON c.id = l.connection_id
          GROUP BY c.source_id) s
    CROSS JOIN generate_series(0, 63) n (number)
    CROSS JOIN LATERAL (
        SELECT e.xid, e.position FROM ingest_event e
        WHERE e.source_id = s.id AND e.lane = n.number AND e.day >= s.day - 1
        ORDER BY e.xid DESC, e.position DESC LIMIT 1) e
),
connected AS MATERIALIZED (
    SELECT c.id, c.source_id, c.destination_id, g.from_xid AS off_from, {SKIPPED} AS skipped
    FROM destinations_connection c LEFT JOIN destinations_gap g ON g.connection_id = c.id AND g.to_xid IS NULL
),
{DUE},
working AS (
    SELECT c.destination_id FROM destinations_effective_lane l
    JOIN connected c ON c.id = l.connection_id
    JOIN newest n ON n.source_id = c.source_id AND n.number = l.number AND (n.xid, n.position) > (l.xid, l.position)
    WHERE c.off_from IS NULL
        OR n.xid >= c.off_from AND (l.xid >= c.off_from OR {next_xid()} >= c.off_from)
    UNION
    SELECT c.destination_id FROM due JOIN connected c ON c.id = due.connection_id
    UNION
    SELECT c.destination_id FROM destinations_replay r
    JOIN destinations_lane l ON l.replay = r.id AND l.replay > 0 JOIN connected c ON c.id = l.connection_id
    WHERE r.state = 'running' AND l.claim_id IS NULL AND c.off_from IS NULL
        AND (l.xid, l.position) < (l.end_xid, l.end_position)
    UNION
    SELECT destination_id FROM destinations_claim WHERE expires_at <= now()
    UNION
    SELECT s.destination_id FROM {looking.EXAMINABLE}
)
SELECT h.destination_id FROM destinations_health h JOIN working w ON w.destination_id = h.destination_id
WHERE h.state = 'ok' AND (h.breaker = 'closed' OR h.probe_at <= now())
    AND coalesce(nullif(%(forced)s::text, ''), (SELECT mode FROM alerts_mode)) = 'normal'
""")


_database = db.Kept("sweep", STATEMENT_SECONDS)


def with_work(raw: Connection) -> list[int]:
    """The destinations that have something to do and may do it. Raises psycopg2.Error."""
    with raw.cursor() as cursor:
        _WORK.execute(cursor, {"forced": modes.forced()})
        return [row[0] for row in cursor.fetchall()]


def sweep() -> int:
    """Ring who needs it, if nobody swept a moment ago; returns how many were rung.

    Raises one of doorbell.BROKER_AWAY, or psycopg2.Error.
    """
    return _database.run(_sweep)


def _sweep(raw: Connection) -> int:
    with raw.cursor() as cursor:
        cursor.execute(_TURN)
        turn = cursor.fetchone()
    if turn is None:
        return 0
    are_held, are_replayed, are_suspected = turn
    if are_held:
        unreadable.release(raw)
    rung = doorbell.ring(with_work(raw))
    if are_replayed:
        steer.close_ended(raw)
    if are_suspected:
        looking.drop_gone(raw)
        verdict.explain_late(raw)
    doorbell.note_swept()
    return rung
