"""Incidents of poison events and poison destinations: one each, whoever tells it again, until it is dealt with.

Must never name a user: an incident is sent to others.
"""

from django.db import connections
from psycopg2.extensions import connection as Connection  # noqa: N812

from alerts import incidents, links
from alerts.incidents import facts
from alerts.incidents.kinds import KINDS
from destinations.lanes import Suspect

_KIND = "poison_event"

# Of open incidents: the dead letter was delivered by a replay or is gone or a day old, or the destination is held no
# more.
_OVER = """
SELECT i.key FROM alerts_incident i
LEFT JOIN destinations_suspect s ON i.key = %(kind)s || ':' || s.id
LEFT JOIN destinations_health h ON h.destination_id = s.destination_id AND h.state = 'held'
LEFT JOIN destinations_delivery d ON d.connection_id = s.connection_id AND d.xid = s.xid AND d.position = s.position
    AND d.replay = s.replay AND d.state = 'aborted'
WHERE i.kind = %(kind)s AND i.resolved_at IS NULL
  AND CASE s.state WHEN 'guilty' THEN d.id IS NULL OR i.opened_at < now() - interval '1 day'
      WHEN 'open' THEN h.destination_id IS NULL AND s.deaths_alone = 0 ELSE true END
"""


def of_event(suspect: Suspect, destination: str) -> None:
    """An event killed the worker twice, alone, and is a dead letter now. Raises django.db.DatabaseError."""
    what = f"event {suspect.message_id} for {destination} killed the worker and was given up"
    _report(suspect.id, what, {"destination": destination, "message_id": suspect.message_id}, suspect.crashes)


def of_destination(suspect_id: int, destination: str, what: str, crashes: list[str]) -> None:
    """A destination is held, because {what} the worker. Raises django.db.DatabaseError."""
    _report(suspect_id, f"{destination} is held: {what} the worker", {"destination": destination}, crashes)


def end_what_is_over(raw: Connection) -> int:
    """Resolve the incidents that nobody needs to look at any more; how many. A chore of upkeep."""
    with raw.cursor() as cursor:
        cursor.execute(_OVER, {"kind": _KIND})
        over = [row[0] for row in cursor.fetchall()]
    return sum(incidents.resolve(key) for key in over)


def _report(suspect_id: int, summary: str, details: dict[str, object], crashes: list[str]) -> None:
    try:
        incidents.report(
            kind=_KIND,
            key=f"{_KIND}:{suspect_id}",
            severity="error",
            summary=summary,
            details=details | {"what": summary} | _for_the_person(crashes),
        )
    finally:
        connections.close_all()


def _for_the_person(crashes: list[str]) -> dict[str, object]:
    """What everybody who is woken needs."""
    return {
        "crashes": crashes,
        "crash": links.admin(f"alerts/crash/{crashes[-1]}/change/") if crashes else "",
        "waiting_events": facts.waiting_events(),
        "what_to_do": KINDS[_KIND].to_do,
        "link": links.admin("destinations/suspect/"),
    }
