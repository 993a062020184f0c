"""Incidents open once, are updated, and resolve; each channel that wants them is owed one trigger and one resolve."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from alerts import incidents
from alerts.incidents import Finding
from alerts.models import Channel, Incident, Notification
from tests.race import together

pytestmark = pytest.mark.usefixtures("committed")


def reported(key: str = "k", severity: str = "error", **details: Any) -> bool:
    return incidents.report(kind="dead_letters", key=key, severity=severity, summary="s", details=details)


def channel(name: str, **wants: Any) -> Channel:
    return Channel.objects.create(name=name, provider="pagerduty", config={"routing_key": "k"}, **wants)


def owed() -> list[tuple[str, str]]:
    return list(Notification.objects.order_by("channel__name", "id").values_list("channel__name", "action"))


def test_a_thousand_reports_are_one_incident_with_one_trigger_and_one_resolve() -> None:
    channel("a")
    assert reported(count=0) is True
    for count in range(1, 1_000):
        assert reported(count=count) is False
    (row,) = Incident.objects.all()
    assert row.details == {"count": 999}
    assert owed() == [("a", "trigger")]
    assert incidents.resolve("k") is True
    assert incidents.resolve("k") is False
    assert owed() == [("a", "trigger"), ("a", "resolve")]


def test_of_many_who_report_at_once_one_opens_it() -> None:
    channel("a")
    assert sorted(together([reported] * 8)) == [False] * 7 + [True]
    assert Incident.objects.count() == 1
    assert owed() == [("a", "trigger")]


def test_of_many_who_resolve_at_once_one_does() -> None:
    channel("a")
    reported()
    assert sorted(together([lambda: incidents.resolve("k")] * 8)) == [False] * 7 + [True]
    assert owed() == [("a", "trigger"), ("a", "resolve")]


def test_after_a_resolve_it_opens_anew() -> None:
    channel("a")
    reported()
    incidents.resolve("k")
    assert reported() is True
    assert Incident.objects.count() == 2
    assert owed() == [("a", "trigger"), ("a", "resolve"), ("a", "trigger")]


def test_channels_hear_of_the_severities_and_kinds_they_want() -> None:
    channel("all")
    channel("critical", severities=["critical"])
    channel("errors", severities=["critical", "error"])
    channel("letters", kinds=["dead_letters"])
    channel("modes", kinds=["degraded_mode"])
    channel("off", enabled=False)
    reported()
    assert owed() == [("all", "trigger"), ("errors", "trigger"), ("letters", "trigger")]
    assert [row.wants("dead_letters", "error") for row in Channel.objects.exclude(name="off").order_by("name")] == [
        *(True, False, True, True, False)
    ]


def test_who_wants_the_worst_alone_hears_of_an_incident_that_becomes_it() -> None:
    channel("critical", severities=["critical"])
    reported()
    assert owed() == []
    reported(severity="critical")
    assert owed() == [("critical", "trigger")]


def test_only_who_was_told_of_it_is_told_that_it_is_over() -> None:
    channel("early")
    reported()
    channel("late")
    incidents.resolve("k")
    assert owed() == [("early", "trigger"), ("early", "resolve")]


def test_what_a_check_no_longer_finds_is_resolved_once_it_has_been_over_for_long_enough() -> None:
    found = {"a": Finding("error", "a is so"), "b": Finding("error", "b is so")}
    incidents.sync("kind", found)
    incidents.sync("kind", {"a": found["a"]})
    assert not Incident.objects.exclude(resolved_at=None).exists()
    Incident.objects.update(updated_at=timezone.now() - timedelta(seconds=61))
    incidents.sync("kind", {"a": None})
    assert list(Incident.objects.exclude(resolved_at=None).values_list("key", flat=True)) == ["b"]


def test_what_comes_and_goes_is_one_incident() -> None:
    channel("a")
    for _ in range(50):
        incidents.sync("kind", {"k": Finding("error", "s")})
        incidents.sync("kind", {})
    assert Incident.objects.count() == 1
    assert owed() == [("a", "trigger")]


def test_what_is_over_at_once_is_resolved_at_once() -> None:
    incidents.sync("kind", {"k": Finding("error", "s")})
    incidents.sync("kind", {}, clear_seconds=0)
    assert Incident.objects.get().resolved_at is not None


def test_a_check_resolves_nothing_of_another_kind_and_opens_nothing_for_none() -> None:
    reported()
    Incident.objects.update(updated_at=timezone.now() - timedelta(days=1))
    incidents.sync("kind", {"k2": None})
    assert list(Incident.objects.values_list("key", "resolved_at")) == [("k", None)]


def test_whatever_text_is_reported_is_kept_in_one_bounded_line() -> None:
    summary = "a\x00b\nc \ud800" + "x" * 9999
    incidents.report(
        kind="k", key="k", severity="info", summary=summary, details={"t\x00": "\x00\x1b[1m" + "y" * 9999, "none": ""}
    )
    row = Incident.objects.get()
    assert row.summary.startswith("a b c ?xxx")
    assert len(row.summary) == 500
    assert list(row.details) == ["t"]
    assert len(row.details["t"]) == 2000
    assert row.details["t"].isprintable()
