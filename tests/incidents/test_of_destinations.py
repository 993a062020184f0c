"""What of forwarding becomes an incident, what does not, and what the person woken reads."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from alerts import incidents, modes
from alerts.incidents import checks
from alerts.models import Incident
from destinations import history
from destinations.history import Figures, OfConnection, Snapshot
from destinations.incidents import of_destinations, of_forwarding
from destinations.models import Connection, Delivery, Destination, Health, Sample
from destinations.suspects.models import Suspect
from ingest.models import Source

SECRET = "whsec_very-secret-value"


@pytest.fixture
def link(committed: None) -> Connection:
    source = Source.objects.create(name="web", write_key="k")
    config = {"webhookUrl": "http://h.test/in", "signing_secret": SECRET}
    hook = Destination.objects.create(name="hook", type="webhook", config=config)
    return Connection.objects.create(source=source, destination=hook)


@pytest.fixture
def sampled(link: Connection) -> Callable[..., None]:
    """Keep a sample of so many seconds ago."""

    def keep(seconds_ago: float = 0, **figures: Any) -> None:
        at = timezone.now() - timedelta(seconds=seconds_ago)
        of = OfConnection(link.pk, link.source_id, link.destination_id, Figures(**figures))
        slot = int(at.timestamp()) // history.INTERVAL_SECONDS
        Sample.objects.create(slot=slot, taken_at=at, took_seconds=0.1, counts=Snapshot(at, {}, [of]).as_json())

    return keep


def health(**values: Any) -> None:
    Health.objects.update(**values)


def ago(seconds: float) -> Any:
    return timezone.now() - timedelta(seconds=seconds)


def opened(seconds: float) -> None:
    health(breaker="open", opened_at=ago(seconds), probe_at=timezone.now(), last_error=f"HTTP 503 for {SECRET}")


def failed(link: Connection, message_id: str, state: str = "failed") -> None:
    Delivery.objects.create(
        connection=link,
        lane=0,
        user_key="u",
        xid=1,
        position=Delivery.objects.count(),
        day=timezone.now().date(),
        message_id=message_id,
        state=state,
        reason=f"HTTP 500 {SECRET}",
        next_attempt_at=timezone.now() if state == "failed" else None,
    )


def test_a_breaker_that_is_open_for_long_is_told_with_what_the_person_needs(
    link: Connection, sampled: Callable[..., None]
) -> None:
    opened(299)
    assert of_destinations.failing() == {}
    opened(301)
    sampled(pending=7, failed=2, waiting=3)
    failed(link, "first")
    failed(link, "second")
    key = f"destination_failing:{link.destination_id}"
    ((found, finding),) = of_destinations.failing().items()
    assert (found, finding and finding.severity, finding and finding.summary) == (key, "error", "hook does not answer")
    assert finding is not None
    details = finding.details
    assert details["waiting_events"] == 12
    assert (details["first_failing_event"], details["answer"]) == ("first", "HTTP 500 ***")
    assert details["link"].endswith(f"/admin/destinations/destination/{link.destination_id}/change/")
    assert details["since"].endswith("UTC")
    assert details["what_to_do"]


def test_without_a_row_the_last_error_is_the_answer(link: Connection) -> None:
    opened(1000)
    (finding,) = of_destinations.failing().values()
    assert finding is not None
    assert finding.details["answer"] == "HTTP 503 for ***"


def test_a_destination_that_is_switched_off_fails_nobody(link: Connection) -> None:
    opened(1000)
    Destination.objects.update(enabled=False)
    assert of_destinations.failing() == {}


def test_a_held_destination_is_told_and_nothing_else_of_it(link: Connection, sampled: Callable[..., None]) -> None:
    health(state="held", last_error="HTTP 401", last_error_at=timezone.now())
    sampled(pending=5, oldest_age_seconds=5000)
    (finding,) = of_destinations.held().values()
    assert finding is not None
    assert finding.summary == "hook is held"
    assert list(of_destinations.behind().values()) == [None]


def test_a_destination_that_is_held_as_poison_is_told_once(link: Connection) -> None:
    health(state="held", last_error="its events kill the worker", last_error_at=timezone.now())
    suspect = Suspect.objects.create(destination=link.destination, crashes=["c"])
    incidents.report(kind="poison_event", key=f"poison_event:{suspect.pk}", severity="error", summary="s", details={})
    assert of_destinations.held() == {f"destination_held:{link.destination_id}": None}


def test_what_waits_for_a_connection_that_is_switched_off_is_told_nobody(
    link: Connection, sampled: Callable[..., None]
) -> None:
    sampled(pending=5, oldest_age_seconds=5000)
    Connection.objects.update(enabled=False)
    assert of_destinations.behind() == {}
    Connection.objects.update(enabled=True)
    (finding,) = of_destinations.behind().values()
    assert finding is not None
    assert finding.summary == "hook is 1 h 23 min behind"


def test_an_event_that_waits_for_too_long_is_told(link: Connection, sampled: Callable[..., None]) -> None:
    sampled(pending=5, oldest_age_seconds=899)
    assert of_destinations.behind() == {}
    Sample.objects.all().delete()
    sampled(pending=5, oldest_age_seconds=905)
    (finding,) = of_destinations.behind().values()
    assert finding is not None
    assert (finding.severity, finding.summary) == ("warning", "hook is 15 min 5 s behind")


def test_a_backlog_that_is_being_worked_off_is_no_news(link: Connection, sampled: Callable[..., None]) -> None:
    sampled(seconds_ago=40, pending=900, oldest_age_seconds=5000)
    sampled(pending=500, oldest_age_seconds=3000)
    assert list(of_destinations.behind().values()) == [None]


@pytest.mark.parametrize("because", ["degraded", "open", "paused"])
def test_what_another_incident_or_an_operator_explains_is_no_news(
    link: Connection, sampled: Callable[..., None], because: str
) -> None:
    sampled(pending=5, oldest_age_seconds=5000)
    if because == "degraded":
        modes.set_mode("degraded", "", "ada")
    elif because == "open":
        opened(1)
    else:
        health(state="paused")
    assert list(of_destinations.behind().values()) == [None]


def test_without_a_fresh_sample_what_is_open_stays_open(link: Connection, sampled: Callable[..., None]) -> None:
    sampled(pending=5, oldest_age_seconds=5000)
    checks.run(due_only=False)
    Sample.objects.update(taken_at=ago(400))
    assert of_destinations.behind() == {f"destination_behind:{link.destination_id}": None}


def test_many_dead_letters_in_a_short_time_are_told(link: Connection, sampled: Callable[..., None]) -> None:
    sampled(seconds_ago=700, aborted=0)
    sampled(seconds_ago=500, aborted=50)
    sampled(aborted=150)
    assert of_destinations.dead_letters() == {}
    Sample.objects.filter(taken_at__gt=ago(100)).delete()
    sampled(aborted=151)
    failed(link, "dead", "aborted")
    (finding,) = of_destinations.dead_letters().values()
    assert finding is not None
    assert finding.summary == "hook gave up 101 events in 10 min"
    assert (finding.details["first_failing_event"], finding.details["answer"]) == ("dead", "HTTP 500 ***")


def test_a_difference_counts_in_the_second_sample_running(link: Connection, sampled: Callable[..., None]) -> None:
    sampled(seconds_ago=20)
    sampled(seconds_ago=10, accepted=3)
    assert of_forwarding.difference() == {}
    sampled(accepted=3)
    (finding,) = of_forwarding.difference().values()
    assert finding is not None
    assert finding.summary == "web -> hook: +3 accepted events that nothing explains"


def test_the_checks_of_everything_make_incidents_and_end_them(link: Connection) -> None:
    opened(1000)
    assert checks.run(due_only=False) >= 10
    assert list(Incident.objects.values_list("kind", flat=True)) == ["destination_failing"]
    health(breaker="closed", opened_at=None, probe_at=None)
    Incident.objects.update(updated_at=ago(100))
    checks.run(due_only=False)
    assert Incident.objects.get().resolved_at is not None


def test_a_check_that_fails_resolves_nothing_and_stops_no_other(
    link: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(1000)
    checks.run(due_only=False)
    Incident.objects.update(updated_at=ago(100))

    def broken() -> dict[str, None]:
        raise ValueError("broken")

    monkeypatch.setitem(checks._checks, "destination_failing", checks.Check("destination_failing", broken))
    health(state="held")
    checks.run(due_only=False)
    assert list(Incident.objects.order_by("id").values_list("kind", "resolved_at")) == [
        ("destination_failing", None),
        ("destination_held", None),
    ]
