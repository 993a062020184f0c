"""What an examination means: for the suspect, for the crashes it was in flight at, and for its destination.

Each verdict is one guarded transaction: whoever comes second changes nothing. Must never abort an event itself: that is
in a checkpoint before.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog
from psycopg2.extensions import connection as Connection  # noqa: N812

from alerts.recovery.explain import explain, unsuspect
from destinations import health
from rudderproj.prepared import Prepared

log = structlog.get_logger(__name__)

FATAL = 2  # deaths at which a suspect was alone in flight
POISONED_SECONDS = 3600  # so long a poison event speaks against its destination
POISONED_EVENTS = 5  # within that time: then it is the destination, whatever it takes in between

# What the destination of suspect `s` has ever taken.
_DELIVERED = """(
    SELECT coalesce(sum(l.delivered), 0) FROM destinations_effective_lane l
    JOIN destinations_connection c ON c.id = l.connection_id WHERE c.destination_id = s.destination_id
)"""
_SETTLE = f"""
UPDATE destinations_suspect s SET state = %s, settled_at = now(), delivered_before = {_DELIVERED}
WHERE id = %s AND state = 'open'
RETURNING crashes, message_id
"""
# Of these crashes, those that can no longer be put down to an event.
_UNEXPLAINED = """
SELECT crash FROM unnest(%s::text[]) crash WHERE NOT EXISTS (
    SELECT FROM destinations_suspect s WHERE s.state <> 'cleared' AND s.crashes @> to_jsonb(ARRAY[crash]))
"""
_IS_POISONED = f"""
SELECT count(*) + 1 >= %(most)s OR coalesce(bool_or(s.delivered_before >= {_DELIVERED}), false)
FROM destinations_suspect s
WHERE s.destination_id = %(destination)s AND s.state = 'guilty'
  AND s.settled_at > now() - %(seconds)s * interval '1 second'
"""
_HELD = """
SELECT d.name, ARRAY(
    SELECT DISTINCT crash FROM destinations_suspect s, jsonb_array_elements_text(s.crashes) crash
    WHERE s.destination_id = d.id AND s.state = 'open')
FROM destinations_destination d WHERE d.id = %(destination)s
"""
# Of destinations that were held because of a suspect: deaths that were recorded only then, of whatever event.
_LATE = Prepared("""
SELECT d.name, array_agg(c.id::text) FROM destinations_suspect s
JOIN destinations_health h ON h.destination_id = s.destination_id AND h.state = 'held'
JOIN destinations_destination d ON d.id = s.destination_id
CROSS JOIN LATERAL jsonb_array_elements_text(s.crashes) crash
JOIN alerts_crash c ON c.id = crash::uuid AND c.explained = ''
WHERE s.state = 'open' AND EXISTS (
    SELECT FROM destinations_suspect f
    WHERE f.destination_id = s.destination_id AND f.state = 'open' AND f.deaths_alone >= %(fatal)s::int)
GROUP BY d.name
""")


def clear(raw: Connection, suspect_id: int) -> None:
    """It was tried alone and the process lived."""
    with _transaction(raw):
        for crashes, _ in _settle(raw, suspect_id, "cleared"):
            with raw.cursor() as cursor:
                cursor.execute(_UNEXPLAINED, [crashes])
                unsuspect(raw, [row[0] for row in cursor.fetchall()])


def convict(raw: Connection, suspect_id: int) -> None:
    """The event killed its process twice, alone: it explains every crash it was in flight at."""
    with _transaction(raw):
        for crashes, message_id in _settle(raw, suspect_id, "guilty"):
            explain(raw, crashes, f"event {message_id}")
            log.error("event.poison", message_id=message_id, crashes=crashes)


def hold(raw: Connection, destination_id: int, what: str, crashes: Sequence[str]) -> str | None:
    """Stop a destination that kills whatever process works for it: its name, None if it was stopped. Suspects stay."""
    with _transaction(raw), raw.cursor() as cursor:
        if not health.hold(raw, destination_id, f"{what} the worker (crash {crashes[-1]})"):
            return None
        cursor.execute(_HELD, {"destination": destination_id})
        name, every = cursor.fetchone() or ("", [])
        explain(raw, every, f"destination {name}")
        log.error("destination.poison", destination=name, crashes=every)
        return str(name)


def explain_late(raw: Connection) -> None:
    """Explain deaths by a destination that was held before they were recorded. Called by the sweep."""
    with raw.cursor() as cursor:
        _LATE.execute(cursor, {"fatal": FATAL})
        for name, crashes in cursor.fetchall():
            explain(raw, crashes, f"destination {name}")


def is_poisoned(raw: Connection, destination_id: int) -> bool:
    """Whether one more event found guilty is the destination's own fault: it took nothing since the last, or too many.

    A destination that dies of anything takes nothing in between; one that has two poison events takes all the others.
    """
    given = {"destination": destination_id, "seconds": POISONED_SECONDS, "most": POISONED_EVENTS}
    with raw.cursor() as cursor:
        cursor.execute(_IS_POISONED, given)
        row = cursor.fetchone()
        return bool(row and row[0])


def _settle(raw: Connection, suspect_id: int, state: str) -> list[tuple[list[str], str]]:
    with raw.cursor() as cursor:
        cursor.execute(_SETTLE, [state, suspect_id])
        return cursor.fetchall()


@contextmanager
def _transaction(raw: Connection) -> Iterator[None]:
    raw.autocommit = False
    try:
        with raw:
            yield
    finally:
        if not raw.closed:
            raw.autocommit = True
