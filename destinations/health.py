"""A destination's breaker and hold, as guarded updates: whoever comes second changes nothing.

States: closed -> open (a streak) -> half_open (one link probes) -> closed or open again. Held: until an operator acts.
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import Json

from destinations.breaker import Streak, probe_delay_seconds

PROBE_SECONDS = 60  # a prober that has not answered by then is taken for dead


def _changed(raw: Connection, statement: str, parameters: dict[str, object]) -> bool:
    with raw.cursor() as cursor:
        cursor.execute(statement, parameters)
        return bool(cursor.rowcount)


def open_breaker(raw: Connection, destination_id: int, streak: Streak, error: str, retry_after: float = 0.0) -> bool:
    """closed -> open; the first probe is not before `retry_after` seconds."""
    return _changed(
        raw,
        "UPDATE destinations_health SET breaker = 'open', opened_at = now(), probes_failed = 0, streak = %(streak)s,"
        " probe_at = now() + %(delay)s * interval '1 second', last_error = %(error)s, last_error_at = now()"
        " WHERE destination_id = %(destination)s AND breaker = 'closed'",
        {
            "destination": destination_id,
            "streak": Json(streak.as_json()),
            "delay": probe_delay_seconds(0, retry_after),
            "error": error,
        },
    )


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe under way, until its time is up: then another may follow, and what becomes of this one is not heard."""

    destination_id: int
    until: datetime
    failed: int  # probes before it


def start_probe(raw: Connection, destination_id: int) -> Probe | None:
    """open -> half_open, for one link: None for all others."""
    with raw.cursor() as cursor:
        cursor.execute(
            "UPDATE destinations_health SET breaker = 'half_open', probe_at = now() + %(seconds)s * interval '1 second'"
            " WHERE destination_id = %(destination)s AND breaker IN ('open', 'half_open') AND probe_at <= now()"
            " RETURNING destination_id, probe_at, probes_failed",
            {"destination": destination_id, "seconds": PROBE_SECONDS},
        )
        row = cursor.fetchone()
        return Probe(*row) if row else None


def fail_probe(raw: Connection, probe: Probe, error: str = "", retry_after: float = 0.0) -> bool:
    """half_open -> open, with the next probe later than the last; an empty error means nothing could be probed."""
    failed = probe.failed + bool(error)
    return _changed(
        raw,
        "UPDATE destinations_health SET breaker = 'open', probes_failed = %(failed)s,"
        " probe_at = now() + %(delay)s * interval '1 second',"
        " last_error = coalesce(nullif(%(error)s, ''), last_error), last_error_at = now()"
        " WHERE destination_id = %(destination)s AND breaker = 'half_open' AND probe_at = %(until)s",
        {
            "destination": probe.destination_id,
            "until": probe.until,
            "failed": failed,
            "delay": probe_delay_seconds(failed, retry_after),
            "error": error,
        },
    )


def close_breaker(raw: Connection, destination_id: int) -> bool:
    """half_open -> closed. The time it was not closed does not count towards giving any event up."""
    return _changed(
        raw,
        "WITH closed AS ("
        "  UPDATE destinations_health h SET breaker = 'closed', opened_at = NULL, probe_at = NULL, probes_failed = 0,"
        "    streak = '{}'"
        "  FROM (SELECT * FROM destinations_health WHERE destination_id = %(destination)s FOR UPDATE) old"
        "  WHERE h.destination_id = old.destination_id AND h.breaker <> 'closed'"
        "  RETURNING h.destination_id, old.opened_at),"
        " rows AS ("  # in the order in which checkpoints write them
        "  SELECT d.id, closed.opened_at"
        "  FROM closed JOIN destinations_connection c ON c.destination_id = closed.destination_id"
        "  JOIN destinations_delivery d ON d.connection_id = c.id"
        "  WHERE d.state IN ('failed', 'waiting') AND d.first_failed_at IS NOT NULL"
        "  ORDER BY d.connection_id, d.xid, d.position, d.replay FOR UPDATE OF d),"
        " shifted AS ("
        "  UPDATE destinations_delivery d"
        "  SET first_failed_at = first_failed_at + (now() - greatest(rows.opened_at, first_failed_at))"
        "  FROM rows WHERE d.id = rows.id AND d.state IN ('failed', 'waiting'))"
        " SELECT FROM closed",
        {"destination": destination_id},
    )


def hold(raw: Connection, destination_id: int, error: str) -> bool:
    """ok -> held: several users were refused, so it is not about the events."""
    return _changed(
        raw,
        "UPDATE destinations_health SET state = 'held', last_error = %(error)s, last_error_at = now()"
        " WHERE destination_id = %(destination)s AND state = 'ok'",
        {"destination": destination_id, "error": error},
    )


def note_learned(raw: Connection, destination_id: int, learned: dict[str, int]) -> None:
    """Keep how much it takes at once for the next link to begin with."""
    _changed(
        raw,
        "UPDATE destinations_health SET learned = %(learned)s WHERE destination_id = %(destination)s",
        {"destination": destination_id, "learned": Json(learned)},
    )


def note_streak(raw: Connection, destination_id: int, streak: Streak, error: str) -> None:
    """Keep the failures since the last success for the next link."""
    _changed(
        raw,
        "UPDATE destinations_health SET streak = %(streak)s, last_error = coalesce(nullif(%(error)s, ''), last_error),"
        " last_error_at = CASE WHEN %(error)s = '' THEN last_error_at ELSE now() END"
        " WHERE destination_id = %(destination)s AND breaker = 'closed'",
        {"destination": destination_id, "streak": Json(streak.as_json()), "error": error},
    )
