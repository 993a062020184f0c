"""What the checks of forwarding share: the last sample, and what to say of a destination."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.utils import timezone

from alerts import links
from alerts.incidents import Finding
from alerts.incidents.kinds import KINDS
from alerts.models import Incident
from destinations import history, registry
from destinations.history import Figures, Snapshot
from destinations.models import Delivery, Destination
from rudderproj.masking import masker

Found = dict[str, Finding | None]
Words = tuple[str, str, dict[str, Any]]  # severity, what a destination does, details of its own
SAMPLE_MOST_SECONDS = 300  # an older sample says nothing about now


def waiting() -> int | None:
    """Events owed to any destination, as last counted."""
    sample = history.latest()
    return None if sample is None else _owed(sample.total)


def fresh_sample() -> Snapshot | None:
    """The last sample, unless it is too old."""
    sample = history.latest()
    is_old = sample is None or (timezone.now() - sample.at).total_seconds() > SAMPLE_MOST_SECONDS
    return None if is_old else sample


def as_they_are(kind: str) -> Found:
    """Nothing is known: what is open stays open."""
    return dict.fromkeys(Incident.objects.filter(kind=kind, resolved_at=None).values_list("key", flat=True))


def about(
    kind: str,
    rows: Iterable[Destination],
    words: Callable[[Destination], Words],
    state: str = Delivery.State.FAILED,
) -> Found:
    """A finding for each destination; `state`: of the rows among which the event to name is."""
    rows = list(rows)
    sample = history.latest() if rows else None
    figures = sample.by_destination() if sample else {}
    found: Found = {}
    for row in rows:
        severity, does, own = words(row)
        details = {
            "what": f"{row.name} ({row.type}) {does}.",
            "waiting_events": _owed(figures[row.pk]) if row.pk in figures else None,
            **_first_failing(row, state),
            "what_to_do": KINDS[kind].to_do,
            "link": links.admin(f"destinations/destination/{row.pk}/change/"),
        }
        found[f"{kind}:{row.pk}"] = Finding(severity, f"{row.name} {does}", details | own)
    return found


def _first_failing(row: Destination, state: str) -> dict[str, Any]:
    """The id of the first event that fails, or of the last that was given up, and the answer, without secrets."""
    of = Delivery.objects.filter(connection__destination=row, state=state, replay=0)
    newest_first = state == Delivery.State.ABORTED
    event = of.order_by("-id" if newest_first else "id").values_list("message_id", "reason").first()
    message_id, answer = event or ("", row.health.last_error)
    known = row.type in registry.types() and not row.config_problem
    mask = masker(registry.schema(row.type).secrets(row.config)) if known else str
    return {"first_failing_event": message_id, "answer": mask(answer or row.health.last_error)}


def since(at: datetime | None) -> dict[str, Any]:
    """As a detail."""
    return {"since": f"{at:%Y-%m-%d %H:%M:%S} UTC"} if at else {}


def _owed(figures: Figures) -> int:
    return figures.pending + figures.failed + figures.waiting
