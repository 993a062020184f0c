"""A dead destination: its breaker opens, cursors stand still, nothing is counted or spilled, a probe brings it back."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from destinations.models import Attempt, Health
from destinations.oracle.script import HANG, Reply
from ingest.hashing import lane_of
from ingest.models import Event
from tests.forwarding.workers import eventually, forwarding, limits, run_once
from tests.forwarding.world import World, make_world


def probe_now(world: World) -> bool:
    """Make the next probe due; False while the breaker is closed."""
    return bool(
        Health.objects.filter(destination=world.destination).exclude(breaker="closed").update(probe_at=timezone.now())
    )


def probe(world: World, times: int = 1) -> None:
    """Run so many probing links, one after the other."""
    for _ in range(times):
        assert probe_now(world)
        run_once(world.destination)


def open_breaker(world: World) -> None:
    """As a link would: the destination was found dead a moment ago."""
    Health.objects.filter(destination=world.destination).update(
        breaker="open", opened_at=timezone.now(), probe_at=timezone.now()
    )


@pytest.mark.parametrize("failing", ["refusing connections", "answering 500"])
def test_a_dead_destination_opens_the_breaker_and_loses_nothing(world: World, failing: str) -> None:
    world.many(users=30, each=5)
    if failing == "answering 500":
        world.sink.everyone = Reply(500)
    else:
        world.sink.refuse_connections()

    run_once(world.destination)
    probe(world, times=5)

    assert world.health().breaker == "open"
    terms = world.balance()
    assert (terms["difference"], terms["delivered"], terms["aborted"]) == (0, 0, 0)
    # Before the third user failed, up to two may have been taken for failing users; not one more afterwards.
    assert terms["failed"] <= 2
    assert terms["pending"] >= 150 - 2 * 5
    assert {row.attempts for row in world.rows(state="failed")} <= {1}

    if failing == "answering 500":
        world.sink.everyone = None
    else:
        world.sink.accept_connections()
    with forwarding([world.destination]):
        assert eventually(lambda: not probe_now(world) and world.is_settled())
    assert world.health().breaker == "closed"
    assert world.health().probes_failed == 0
    report = world.report()
    assert (report.lost, report.out_of_order) == ([], [])


def test_an_outage_of_any_length_gives_no_event_up_even_with_a_single_user(world: World) -> None:
    world.append("only", "e0", "e1")
    world.sink.refuse_connections()
    run_once(world.destination)
    run_once(world.destination)
    assert eventually(lambda: run_once(world.destination) or world.health().breaker == "open")

    for _ in range(8):
        world.connection.delivery_set.update(first_failed_at=F("first_failed_at") - timedelta(hours=2))
        Health.objects.update(opened_at=F("opened_at") - timedelta(hours=2))
        world.connection.delivery_set.filter(state="failed").update(next_attempt_at=timezone.now())
        probe(world)

    assert [row.state for row in world.rows() if row.state == "aborted"] == []
    assert world.balance()["difference"] == 0
    world.sink.accept_connections()
    with forwarding([world.destination]):
        assert eventually(lambda: not probe_now(world) and world.is_settled())
    assert world.balance()["delivered"] == 2


def test_a_probe_passes_over_what_was_delivered_beyond_the_cursor(world: World) -> None:
    mate = next(name for name in map("m{}".format, range(1000)) if lane_of(name) == lane_of("head"))
    world.append("head", "filtered", event="Noise")
    world.append(mate, "delivered before")
    world.append(mate, "due")
    delivered = Event.objects.get(message_id="delivered before")
    world.connection.lane_set.filter(number=lane_of("head")).update(
        beyond=[[delivered.xid, delivered.position]], delivered=1
    )
    world.change(event_filter={"deny": ["Noise"]})
    open_breaker(world)

    probe(world)

    assert world.sink.ids() == ["due"]
    assert world.is_settled()
    assert world.balance()["delivered"] == 2


def test_a_hanging_destination_is_probed_again_although_its_answers_outlast_the_claim(world: World) -> None:
    world.many(users=5, each=1)
    world.sink.everyone = HANG
    open_breaker(world)

    run_once(world.destination, limits(claim_seconds=0.3, timeout_seconds=0.4))

    health = world.health()
    assert (health.breaker, health.probes_failed) == ("open", 1)


def test_a_probe_finds_its_heads_behind_the_lanes_of_a_disabled_connection(world: World) -> None:
    world.many(users=80, each=1)
    world.connection.enabled = False
    world.connection.save()
    other = make_world(world.sink, "other")
    other.connection.destination = world.destination
    other.connection.save()
    other.append("someone", "s0")
    open_breaker(world)

    probe(world)

    assert world.sink.ids() == ["s0"]
    assert world.health().breaker == "closed"


def test_a_head_that_alone_keeps_failing_lets_its_lane_mates_pass(world: World) -> None:
    mate = next(name for name in map("m{}".format, range(1000)) if lane_of(name) == lane_of("head"))
    world.append("head", "h0", answers=[500])
    world.append(mate, "m0")
    open_breaker(world)

    probe(world, times=4)

    assert world.health().breaker == "closed"
    assert "m0" in world.sink.ids()


def test_a_head_far_behind_filtered_events_is_found_by_one_probe(world: World) -> None:
    world.change(event_filter={"deny": ["Noise"]})
    world.append("u", *(f"n{number}" for number in range(150)), event="Noise")
    world.append("u", "wanted")
    open_breaker(world)

    probe(world)

    assert world.sink.ids() == ["wanted"]
    assert world.health().breaker == "closed"


def test_a_refused_user_among_others_loses_only_its_event(world: World) -> None:
    world.append("refused", "r0", answers=[401])
    world.append("refused", "r1")
    world.many(users=2, each=2)

    with forwarding([world.destination]):
        assert eventually(world.is_settled)

    assert [(row.message_id, row.state, row.reason) for row in world.rows()] == [("r0", "aborted", "HTTP 401")]
    assert world.health().state == "ok"


@pytest.mark.parametrize("status", [401, 403, 410])
def test_three_refused_users_hold_the_destination_and_keep_everything(world: World, status: int) -> None:
    world.many(users=6, each=2)
    world.sink.everyone = Reply(status)

    run_once(world.destination)
    arrived = len(world.sink.arrivals)
    run_once(world.destination)

    assert world.health().state == "held"
    assert len(world.sink.arrivals) == arrived
    terms = world.balance()
    # Before the third user was refused, up to two may have been taken for a user's own refused event.
    assert terms["aborted"] <= 2
    assert (terms["pending"], terms["difference"]) == (12 - terms["aborted"], 0)

    world.sink.everyone = None
    Health.objects.update(state="ok", streak={})
    with forwarding([world.destination]):
        assert eventually(world.is_settled)
    assert world.balance()["delivered"] == 12 - terms["aborted"]


def test_attempts_while_the_breaker_is_open_are_kept_for_people_to_see(world: World) -> None:
    world.many(users=4, each=1)
    world.sink.everyone = Reply(502, body="bad gateway")

    run_once(world.destination)

    assert set(Attempt.objects.values_list("status", "outcome", "response")) == {(502, "retry", "bad gateway")}
