"""Checks of forwarding as a whole: what nothing explains, what is about to be dropped, what holds everything up."""

from typing import Any

from django.conf import settings
from django.db import connection

from alerts import links
from alerts.incidents import Finding
from alerts.incidents.kinds import KINDS
from destinations import history
from destinations.figures import age
from destinations.incidents.common import Found, waiting
from destinations.models import Connection
from ingest import retention
from rudderproj import horizon

SHOWN_NEEDS = 5
DIFFERENCE, RETENTION, STALLED = "difference", "retention", "forwarding_stalled"


def difference() -> Found:
    """Connections whose accepted events are not the sum of the rest, in two samples running."""
    samples = history.newest(2)
    if len(samples) < 2:
        return {}
    now, before = ({row.connection_id: row.figures.difference for row in sample.connections} for sample in samples)
    wrong = {pk: by for pk, by in now.items() if by and before.get(pk)}
    found: Found = {}
    for row in Connection.objects.select_related("source", "destination").filter(pk__in=wrong):
        summary = f"{row}: {wrong[row.pk]:+,} accepted events that nothing explains"
        details = {"what": summary, "what_to_do": KINDS[DIFFERENCE].to_do, "link": links.admin()}
        found[f"{DIFFERENCE}:{row.pk}"] = Finding("error", summary, details)
    return found


def nearing_retention() -> Found:
    """Events that are owed, of days that are about to be dropped."""
    raw: Any = connection
    needs = retention.nearing(raw)
    if not needs:
        return {}
    is_lost = settings.ENV["RETENTION_POLICY"] == retention.DROP
    goes_on = retention.goes_on(needs[0].day)
    summary = f"Events of {needs[0].day} are still owed, and too old on {goes_on}"
    shown = [f"{need.by} ({need.because} since {need.day})" for need in needs[:SHOWN_NEEDS]]
    details = {
        "what": "They are given up then." if is_lost else "Their day is kept then, and every later one: the log grows.",
        "until": str(goes_on),
        "owed_to": ", ".join(shown) + (f" and {len(needs) - len(shown)} more" if len(needs) > len(shown) else ""),
        "waiting_events": waiting(),
        "what_to_do": KINDS[RETENTION].to_do,
        "link": links.admin("destinations/destination/"),
    }
    return {RETENTION: Finding("error" if is_lost else "warning", summary, details)}


def stalled() -> Found:
    """A transaction that holds up all forwarding."""
    holder = horizon.holder()
    if holder is None or holder.age_seconds <= settings.ENV["ALERT_STALLED_SECONDS"]:
        return {}
    details = {
        "what": "Nothing that was accepted after its beginning is forwarded before it ends.",
        "since": f"{age(holder.age_seconds)} ago",
        "who": holder.who,
        "waiting_events": waiting(),
        "what_to_do": KINDS[STALLED].to_do,
        "link": links.admin(),
    }
    return {STALLED: Finding("error", f"Forwarding is held up by {holder.who}", details)}
