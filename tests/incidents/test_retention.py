"""Incidents that are over go at their age, with what was told of them; open ones stay."""

from datetime import timedelta

import pytest
from django.utils import timezone

from alerts import incidents
from alerts.models import Channel, Incident, Notification
from rudderproj import upkeep


@pytest.mark.usefixtures("committed")
def test_old_incidents_go_with_their_notifications_and_open_ones_stay() -> None:
    Channel.objects.create(name="pager", provider="pagerduty", config={"routing_key": "k"})
    for key in ("old", "young", "open"):
        incidents.report(kind="difference", key=key, severity="error", summary=key, details={})
        if key != "open":
            incidents.resolve(key)
    long_ago = timezone.now() - timedelta(days=366)
    Incident.objects.filter(key="old").update(opened_at=long_ago, resolved_at=long_ago)
    Incident.objects.filter(key="open").update(opened_at=long_ago)
    Notification.objects.exclude(incident__key="young").update(created_at=long_ago)
    done = upkeep.run(due_only=False) or {}
    assert (done["notifications_pruned"], done["incidents_pruned"]) == (2, 1)
    assert sorted(Incident.objects.values_list("key", flat=True)) == ["open", "young"]
    assert sorted(Notification.objects.values_list("incident__key", "action")) == [
        ("open", "trigger"),
        ("young", "resolve"),
        ("young", "trigger"),
    ]
