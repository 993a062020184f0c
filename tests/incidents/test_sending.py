"""Notifications are sent until they are accepted, each by one sender, and in order."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from alerts import incidents
from alerts.models import Channel, Incident, Notification
from alerts.notifications import deliver
from alerts.watch import loop
from tests.race import together
from tests.stack.harness import eventually
from tests.stubs.providers import PagerDuty, VictorOps


def open_one(key: str = "k", **kwargs: Any) -> None:
    given = {"kind": "dead_letters", "severity": "error", "summary": "Many dead letters", "details": {"what": "w"}}
    incidents.report(key=key, **(given | kwargs))


def send_in(seconds: float) -> int:
    """Let so much time pass for what is to be tried again, and send what is due then."""
    Notification.objects.exclude(next_attempt_at=None).update(
        next_attempt_at=F("next_attempt_at") - timedelta(seconds=seconds)
    )
    return deliver.send_due()


def actions(provider: PagerDuty) -> list[tuple[str, str]]:
    return [(body["event_action"], body["dedup_key"]) for body in provider.accepted]


def test_a_trigger_and_a_resolve_reach_both_providers_once(
    pager: Channel, oncall: Channel, pagerduty: PagerDuty, victorops: VictorOps
) -> None:
    open_one()
    assert deliver.send_due() == 2
    assert deliver.send_due() == 0
    incidents.resolve("k")
    assert deliver.send_due() == 2
    assert actions(pagerduty) == [("trigger", "rudderproj:k"), ("resolve", "rudderproj:k")]
    assert [(body["message_type"], body["entity_id"]) for body in victorops.accepted] == [
        ("CRITICAL", "rudderproj:k"),
        ("RECOVERY", "rudderproj:k"),
    ]
    assert list(Notification.objects.values_list("attempts", "next_attempt_at", "last_error")) == [(1, None, "")] * 4
    assert not Notification.objects.filter(sent_at=None).exists()


def test_a_provider_that_is_down_for_three_tries_gets_it_at_the_fourth(pager: Channel, pagerduty: PagerDuty) -> None:
    pagerduty.fail(503, times=3)
    open_one()
    for attempt in range(1, 4):
        assert send_in(400) == 1
        row = Notification.objects.get()
        assert (row.attempts, row.sent_at) == (attempt, None)
        assert row.last_error.startswith("HTTP 503")
        assert row.next_attempt_at is not None
        wait = (row.next_attempt_at - timezone.now()).total_seconds()
        assert 2**attempt * 0.5 - 2 < wait <= 2**attempt
        assert deliver.send_due() == 0
    assert send_in(400) == 1
    assert [call.status for call in pagerduty.calls] == [503, 503, 503, 202]
    assert (Notification.objects.get().attempts, Notification.objects.get().last_error) == (4, "")


def test_a_provider_that_asks_for_time_gets_it(pager: Channel, pagerduty: PagerDuty) -> None:
    pagerduty.fail(429, retry_after="240")
    open_one()
    deliver.send_due()
    next_at = Notification.objects.get().next_attempt_at
    assert next_at is not None
    assert 230 < (next_at - timezone.now()).total_seconds() <= 240


def test_what_will_never_be_accepted_is_shown_and_tried_rarely(pager: Channel, pagerduty: PagerDuty) -> None:
    pager.config = {"routing_key": "too-short"}
    pager.save()
    open_one()
    deliver.send_due()
    row = Notification.objects.get()
    assert row.last_error.startswith("HTTP 400")
    assert "routing_key" in row.last_error
    assert row.next_attempt_at is not None
    assert 440 < (row.next_attempt_at - timezone.now()).total_seconds() <= 900


def test_both_are_sent_in_order_when_the_provider_was_down_meanwhile(pager: Channel, pagerduty: PagerDuty) -> None:
    pagerduty.fail()
    open_one()
    deliver.send_due()
    incidents.resolve("k")
    assert deliver.send_due() == 0
    open_one()
    assert deliver.send_due() == 0
    pagerduty.recover()
    assert send_in(10) == 3
    assert actions(pagerduty) == [(action, "rudderproj:k") for action in ("trigger", "resolve", "trigger")]


def test_of_many_senders_at_once_each_notification_is_sent_by_one(pager: Channel, pagerduty: PagerDuty) -> None:
    pagerduty.seconds = 0.3
    for number in range(20):
        open_one(f"k{number}")
    together([deliver.send_due] * 4)
    assert sorted(key for _, key in actions(pagerduty)) == sorted(f"rudderproj:k{number}" for number in range(20))


def test_a_sender_that_died_leaves_it_to_another(pager: Channel, pagerduty: PagerDuty) -> None:
    open_one()
    (claimed,) = deliver._claim(pager.pk)
    assert deliver.send_due() == 0
    assert send_in(61) == 1
    assert actions(pagerduty) == [("trigger", "rudderproj:k")]
    assert claimed.attempts == 1
    assert Notification.objects.get().attempts == 2


def test_a_channel_that_was_switched_off_is_owed_nothing_more(pager: Channel, pagerduty: PagerDuty) -> None:
    open_one()
    Channel.objects.update(enabled=False)
    assert deliver.send_due() == 0
    assert list(Notification.objects.values_list("next_attempt_at", "last_error")) == [
        (None, "the channel was switched off")
    ]
    incidents.resolve("k")
    assert Notification.objects.count() == 1


def test_a_channel_that_was_switched_on_again_is_told_of_what_is_still_open(
    pager: Channel, pagerduty: PagerDuty
) -> None:
    open_one()
    Channel.objects.update(enabled=False)
    deliver.send_due()
    open_one()
    assert deliver.send_due() == 0
    Channel.objects.update(enabled=True)
    open_one()
    assert deliver.send_due() == 1
    open_one()
    assert deliver.send_due() == 0
    assert actions(pagerduty) == [("trigger", "rudderproj:k")]


def test_a_channel_that_hangs_keeps_no_other_waiting(
    pager: Channel, oncall: Channel, pagerduty: PagerDuty, victorops: VictorOps
) -> None:
    def told(channel: Channel) -> int:
        loop._send()
        loop._database.close()
        return Notification.objects.filter(channel=channel).exclude(sent_at=None).count()

    pagerduty.answers.clear()
    open_one("a")
    eventually(lambda: told(oncall) == 1 and pagerduty.calls)
    open_one("b")
    eventually(lambda: told(oncall) == 2)
    assert len(pagerduty.calls) == 1
    pagerduty.answers.set()
    eventually(lambda: told(pager) == 2)
    assert actions(pagerduty) == [("trigger", "rudderproj:a"), ("trigger", "rudderproj:b")]


def test_a_channel_that_fails_takes_no_others_turn(
    pager: Channel, oncall: Channel, pagerduty: PagerDuty, victorops: VictorOps
) -> None:
    pagerduty.fail()
    for number in range(30):
        open_one(f"k{number}")
    deliver.send_due()
    assert len(victorops.accepted) == 30


def test_what_a_provider_repeats_of_a_secret_is_not_shown(oncall: Channel, victorops: VictorOps) -> None:
    oncall.config = {"api_key": "api-key-that-is-wrong", "routing_key": "team-of-tests"}
    oncall.save()
    victorops.judge = lambda path, body: (404, {"message": f"no such path {path}"})  # type: ignore[method-assign]  # noqa: ARG005
    open_one()
    deliver.send_due()
    error = Notification.objects.get().last_error
    assert error.startswith("HTTP 404")
    assert "***/***" in error
    assert "wrong" not in error


def test_a_configuration_that_cannot_be_read_is_said(pager: Channel, settings: Any, pagerduty: PagerDuty) -> None:
    settings.ENV = settings.ENV | {"SECRETS_KEYS": []}
    open_one()
    deliver.send_due()
    assert Notification.objects.get().last_error.startswith("its configuration cannot be read: SECRETS_KEYS does not")
    assert pagerduty.calls == []
    assert Incident.objects.count() == 1


@pytest.mark.parametrize("name", ["pager"])
def test_addresses_typed_in_the_admin_are_reached_as_egress_allows(
    name: str, pager: Channel, settings: Any, pagerduty: PagerDuty
) -> None:
    usual = settings.ENV["PAGERDUTY_EVENTS_URL"]
    pager.config |= {"url": usual.replace("127.0.0.1", "localhost")}
    pager.save()
    settings.ENV = settings.ENV | {"EGRESS_ALLOW": []}
    open_one()
    deliver.send_due()
    assert "not a public address (EGRESS_ALLOW)" in Notification.objects.get().last_error
    pager.config = {"routing_key": pager.config["routing_key"]}
    pager.save()
    assert send_in(20) == 1
    assert len(pagerduty.accepted) == 1
