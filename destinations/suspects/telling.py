"""Incidents of poison events and poison destinations: one each, whoever tells it again. Runs in a thread of its own."""

from django.db import connections

from alerts import incidents
from destinations.lanes import Suspect

_KIND = "poison_event"


def of_event(suspect: Suspect, destination: str) -> None:
    """An event killed the worker twice, alone, and is a dead letter now. Raises django.db.DatabaseError."""
    what = f"event {suspect.message_id} for {destination} killed the worker and was given up"
    _report(suspect.id, what, {"destination": destination, "message_id": suspect.message_id}, suspect.crashes)


def of_destination(suspect_id: int, destination: str, what: str, crashes: list[str]) -> None:
    """A destination is held, because {what} the worker. Raises django.db.DatabaseError."""
    _report(suspect_id, f"{destination} is held: {what} the worker", {"destination": destination}, crashes)


def _report(suspect_id: int, summary: str, details: dict[str, object], crashes: list[str]) -> None:
    report = getattr(incidents, "report", None)
    if report is None:
        return
    try:
        report(
            kind=_KIND,
            key=f"{_KIND}:{suspect_id}",
            severity="error",
            summary=summary,
            details=details | {"crashes": crashes},
        )
    finally:
        connections.close_all()
