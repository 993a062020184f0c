"""What becomes of an event that fails: retried in order, put off, given up, or refused for good."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from destinations.models import Attempt, Delivery
from ingest.models import Event
from tests.forwarding.workers import eventually, forwarding, limits, run_once
from tests.forwarding.world import World


def test_a_400_is_a_dead_letter_with_payload_request_and_answer_and_the_user_goes_on(world: World) -> None:
    world.change(config=world.destination.config | {"headers": [{"from": "X-Token", "to": "s3cret"}]})
    world.append("u", "bad", answers=[{"status": 400, "body": "s3cret is not welcome"}])
    world.append("u", "good")

    with forwarding([world.destination]):
        assert eventually(world.is_settled)

    assert world.sink.ids() == ["bad", "good"]
    (letter,) = world.rows()
    assert (letter.state, letter.reason, letter.attempts, letter.message_id) == ("aborted", "HTTP 400", 1, "bad")
    assert letter.payload == world.event("u", "bad", [{"status": 400, "body": "s3cret is not welcome"}]).payload
    assert letter.request is not None
    assert letter.request["method"] == "POST"
    assert ["x-token", "***"] in letter.request["headers"]
    assert letter.response == {"status": 400, "error": "", "body": "*** is not welcome"}
    assert world.balance()["aborted"] == 1
    assert dict(world.sink.arrivals[0].headers)["x-token"] == "s3cret"


@pytest.mark.parametrize("step", ["reset", {"manner": "reset", "delay_seconds": 0.05}])
def test_a_connection_reset_in_the_middle_is_retried(world: World, step: object) -> None:
    world.append("u", "u0", answers=[step, 200])
    world.append("u", "u1")

    with forwarding([world.destination]):
        assert eventually(world.is_settled)

    assert world.sink.ids() == ["u0", "u0", "u1"]
    assert world.report().is_clean


def test_retry_after_puts_the_next_attempt_off_and_the_followers_with_it(world: World) -> None:
    world.append("u", "u0", answers=[{"status": 429, "retry_after": "1800"}, 200])
    world.append("u", "u1")
    before = timezone.now()

    run_once(world.destination)
    run_once(world.destination)

    head, follower = world.rows()
    assert (head.state, head.attempts, follower.state, follower.next_attempt_at) == ("failed", 1, "waiting", None)
    assert head.next_attempt_at is not None
    assert timedelta(seconds=1790) < head.next_attempt_at - before < timedelta(seconds=1900)
    assert world.sink.ids() == ["u0"]

    Delivery.objects.filter(state="failed").update(next_attempt_at=timezone.now())
    with forwarding([world.destination]):
        assert eventually(world.is_settled)
    assert world.sink.ids() == ["u0", "u0", "u1"]


@pytest.mark.parametrize("value", ["²", "soon", "-1", "1e9", "9" * 400])
def test_a_strange_retry_after_harms_nobody(world: World, value: str) -> None:
    world.append("u", "u0", answers=[{"status": 503, "retry_after": value}, 200])
    world.append("v", "v0")

    run_once(world.destination)

    assert {"u0", "v0"} == set(world.sink.ids())
    assert [row.state for row in world.rows()] in (["failed"], ["delivered"])


def test_an_event_is_given_up_only_after_its_attempts_and_its_window(world: World) -> None:
    world.change(retry={"window_seconds": 3600, "attempts": 2, "base_seconds": 0.01, "max_seconds": 0.01})
    world.append("u", "u0", answers=[500])
    world.append("u", "u1")

    with forwarding([world.destination]):
        assert eventually(lambda: len(world.sink.of("u0")) >= 4)
    assert [row.state for row in world.rows()] == ["failed", "waiting"]

    Delivery.objects.update(first_failed_at=F("first_failed_at") - timedelta(hours=2))
    with forwarding([world.destination]):
        assert eventually(world.is_settled)

    letter, follower = world.rows()
    assert (letter.state, follower.state) == ("aborted", "delivered")
    assert letter.reason == f"given up after {len(world.sink.of('u0'))} attempts: HTTP 500"
    assert Attempt.objects.filter(message_id="u0").count() == letter.attempts


def test_the_followers_of_an_event_given_up_do_not_get_a_window_each(world: World) -> None:
    world.change(retry={"window_seconds": 3600, "attempts": 2, "base_seconds": 0.01, "max_seconds": 0.01})
    for number in range(4):
        world.append("u", f"u{number}", answers=[500])
    world.append("u", "good")
    with forwarding([world.destination]):
        assert eventually(lambda: len(world.sink.of("u0")) >= 2)
    Delivery.objects.update(first_failed_at=F("first_failed_at") - timedelta(hours=2))

    with forwarding([world.destination]):
        assert eventually(world.is_settled)

    assert [row.state for row in world.rows()] == ["aborted"] * 4 + ["delivered"]
    assert world.report(given_up=[f"u{number}" for number in range(4)]).is_clean


def test_a_long_queue_of_rows_drains_in_order_once_its_head_is_through(world: World) -> None:
    world.append("u", "u0", answers=[500, 200])
    world.append("u", *(f"u{number}" for number in range(1, 400)))

    with forwarding([world.destination]):
        assert eventually(world.is_settled)

    assert world.sink.ids() == ["u0"] + [f"u{number}" for number in range(400)]


@pytest.mark.slow
def test_a_lane_with_too_many_rows_stops_its_cursor_and_other_lanes_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [{"status": 503, "retry_after": "3000"}, 200]
    world.append("stuck", "s0", answers=answers)
    for start in range(1, 3001, 500):
        world.append("stuck", *(f"s{number}" for number in range(start, start + 500)))
    others = set(world.append_apart([f"o{number}" for number in range(20)], ["stuck"]))

    with forwarding([world.destination], chosen=limits(budget_seconds=0.5)):
        assert world.sink.wait_for(lambda sink: others <= set(sink.ids()))
        assert eventually(lambda: world.balance()["waiting"] >= 1000)
        held = world.balance()
        assert eventually(lambda: world.destination.claim_set.exists())
        assert world.balance() == held
        assert held["waiting"] + held["failed"] < 2000
        assert held["pending"] > 1000
        assert held["difference"] == 0
        Delivery.objects.filter(state="failed").update(next_attempt_at=timezone.now())
        assert eventually(world.is_settled, 60)

    assert world.report().is_clean, world.report()
    assert world.report().duplicates == []


def test_an_event_that_the_log_no_longer_has_is_a_dead_letter(world: World) -> None:
    world.append("u", "u0", answers=[{"status": 503, "retry_after": "3000"}, 200])
    world.append("u", "u1")
    run_once(world.destination)
    Event.objects.filter(message_id="u0").delete()
    Delivery.objects.filter(state="failed").update(next_attempt_at=timezone.now())

    with forwarding([world.destination]):
        assert eventually(lambda: not world.rows(state="failed") and not world.rows(state="waiting"))
    assert [(row.message_id, row.state, row.reason) for row in world.rows()] == [
        ("u0", "aborted", "the log no longer has the payload"),
        ("u1", "delivered", ""),
    ]
