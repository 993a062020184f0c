"""Which suspects may be looked into now, as SQL: small questions, for there are hardly ever any. Must never write but
where a suspect's lane is gone.
"""

from dataclasses import dataclass

from psycopg2.extensions import connection as Connection  # noqa: N812

from alerts import modes
from rudderproj.prepared import Prepared

# Of suspect `s`: its connection is on, and its replay runs. Otherwise its lane is not worked on anyhow.
MAY_BE_SENT = """(
    NOT EXISTS (SELECT FROM destinations_gap g WHERE g.connection_id = s.connection_id AND g.to_xid IS NULL)
    AND (s.replay = 0 OR s.replay IN (SELECT id FROM destinations_replay WHERE state = 'running'))
)"""

# Suspects `s` whose destination `h` may be sent to, if only a probe. %(forced)s: the mode that is forced, if one is.
EXAMINABLE = f"""
destinations_suspect s JOIN destinations_health h ON h.destination_id = s.destination_id
WHERE s.state = 'open' AND h.state = 'ok' AND (h.breaker = 'closed' OR h.probe_at <= now())
  AND coalesce(nullif(%(forced)s::text, ''), (SELECT mode FROM alerts_mode)) = 'normal' AND {MAY_BE_SENT}
"""

# Lane `l` is nobody's but an examination's.
IS_BARRED = """(
    (l.connection_id, l.replay, l.number) IN (
        SELECT s.connection_id, s.replay, s.lane FROM destinations_suspect s
        WHERE s.state = 'open' AND s.connection_id IS NOT NULL)
)"""

_DESTINATIONS = f"SELECT DISTINCT s.destination_id FROM {EXAMINABLE}"

_IS_ONE_FREE = Prepared(f"""
SELECT EXISTS (SELECT FROM {EXAMINABLE} AND (s.connection_id IS NULL OR EXISTS (
    SELECT FROM destinations_lane l WHERE l.connection_id = s.connection_id AND l.number = s.lane
      AND l.replay = s.replay AND l.claim_id IS NULL)))
""")

# A whole machine's death names one event only if one alone is looked into on all of it. None: nobody needs a turn.
_TURN = """
SELECT CASE WHEN EXISTS (
    SELECT FROM destinations_suspect s JOIN alerts_crash c ON s.crashes @> to_jsonb(ARRAY[c.id::text])
    WHERE s.state = 'open' AND c.kind = 'process')
THEN pg_try_advisory_lock(hashtext('rudderproj.examination')) END
"""
_TURN_OVER = "SELECT pg_advisory_unlock(hashtext('rudderproj.examination'))"

_LINK = """
SELECT id, deaths_alone, crashes FROM destinations_suspect
WHERE destination_id = %s AND state = 'open' AND connection_id IS NULL
"""

# A replay that has ended, and with it its lanes.
_DROP_GONE = Prepared("""
UPDATE destinations_suspect s SET state = 'cleared', settled_at = now()
WHERE s.state = 'open' AND s.replay > 0 AND NOT EXISTS (
    SELECT FROM destinations_lane l
    WHERE l.connection_id = s.connection_id AND l.number = s.lane AND l.replay = s.replay)
""")


@dataclass(frozen=True, slots=True)
class LinkSuspect:
    """A destination whose link was about to begin when a process died."""

    id: int
    deaths_alone: int
    crashes: list[str]


def destinations(raw: Connection) -> list[int]:
    """Those with suspects that may be looked into. Raises psycopg2.Error."""
    with raw.cursor() as cursor:
        cursor.execute(_DESTINATIONS, {"forced": modes.forced()})
        return [row[0] for row in cursor.fetchall()]


def take_turn(raw: Connection) -> bool | None:
    """Whether it is this connection's turn to look into suspects; None when everybody may. Raises psycopg2.Error.

    The turn ends with the session, after half a minute if the process's host vanished (rudderproj.settings). No idle
    timeout: the connection rests while a suspect is sent, for as long as its destination may take.
    """
    with raw.cursor() as cursor:
        cursor.execute(_TURN)
        row = cursor.fetchone()
        return row[0] if row else None


def give_turn(raw: Connection) -> None:
    """Let another have the turn that this connection took."""
    with raw.cursor() as cursor:
        cursor.execute(_TURN_OVER)


def is_one_free(raw: Connection) -> bool:
    """Whether a suspect may be looked into that nobody works on: then no process should take on anything else."""
    with raw.cursor() as cursor:
        _IS_ONE_FREE.execute(cursor, {"forced": modes.forced()})
        row = cursor.fetchone()
        return bool(row and row[0])


def link_suspect(raw: Connection, destination_id: int) -> LinkSuspect | None:
    """Whether the start of the destination's links is suspected."""
    with raw.cursor() as cursor:
        cursor.execute(_LINK, [destination_id])
        row = cursor.fetchone()
        return LinkSuspect(*row) if row else None


def drop_gone(raw: Connection) -> None:
    """Let go suspects of replays that have ended. Called by the sweep."""
    with raw.cursor() as cursor:
        _DROP_GONE.execute(cursor)
