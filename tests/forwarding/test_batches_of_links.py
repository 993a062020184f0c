"""Several events in one request, as a link sends them: what arrives, and what becomes of those of a refused one."""

import pytest

from destinations import actions
from destinations.models import Attempt
from destinations.oracle.script import HANG, Reply
from destinations.oracle.sink import Sink
from destinations.replay.create import create
from destinations.replay.selection import Selection
from tests.forwarding.workers import eventually, forwarding, limits, run_once
from tests.forwarding.world import World, make_world

MOST = 20
ONE_LINK = limits(share=1)


@pytest.fixture
def world(committed: None, sink: Sink) -> World:
    return make_world(sink, config={"batch_events": MOST})


def test_a_backlog_arrives_in_batches_once_and_in_order(world: World) -> None:
    world.many(30, 10)
    with forwarding([world.destination], threads=2):
        assert eventually(world.is_settled)

    report = world.report()
    assert report.is_clean, report
    assert report.duplicates == []
    assert max(map(len, world.sink.batches)) == MOST
    assert len(world.sink.batches) < 60
    assert world.balance()["delivered"] == 300


def test_an_event_that_is_refused_costs_itself_and_its_batch_a_second_try(world: World) -> None:
    for user in range(15):
        world.append(f"u{user}", f"u{user}-0", answers=[400] if user == 7 else [])
    run_once(world.destination, ONE_LINK)

    assert world.report(["u7-0"]).is_clean
    assert [row.message_id for row in world.rows(state="aborted")] == ["u7-0"]
    assert (world.balance()["delivered"], world.balance()["difference"]) == (14, 0)
    assert world.health().state == "ok"
    assert [batch for batch in world.sink.batches if "u7-0" in batch] != []


def test_a_user_whose_event_fails_waits_and_the_batch_s_others_do_not(world: World) -> None:
    for number in range(3):
        for user in range(10):
            world.append(f"u{user}", f"u{user}-{number}", answers=[500, 500, 200] if (user, number) == (3, 1) else [])
    with forwarding([world.destination], chosen=ONE_LINK):
        assert eventually(world.is_settled)

    assert world.report().is_clean, world.report()
    assert [attempt.message_id for attempt in Attempt.objects.exclude(outcome="delivered")] == ["u3-1", "u3-1"]
    assert world.health().breaker == "closed"


def test_a_destination_that_is_down_opens_its_breaker_and_gets_everything_once_it_is_back(world: World) -> None:
    world.many(30, 4)
    world.sink.refuse_connections()
    with forwarding([world.destination]):
        assert eventually(lambda: world.health().breaker == "open")
        world.sink.accept_connections()
        assert eventually(world.is_settled)

    assert world.report().is_clean, world.report()
    assert world.rows(state="aborted") == []


def test_what_an_event_alone_is_sent_as_has_no_list_around_it(world: World) -> None:
    world.append("a", "a0")
    run_once(world.destination)
    assert (world.sink.ids(), world.sink.batches) == (["a0"], [])


def test_a_rate_limit_counts_the_events_of_a_batch_and_keeps_it_small(world: World) -> None:
    world.change(rate_limit=20)
    world.many(15, 2)
    with forwarding([world.destination], chosen=limits(share=1)):
        assert world.sink.wait_for(lambda sink: len(sink.arrivals) == 30)
    first, last = world.sink.arrivals[0].at, world.sink.arrivals[-1].at
    assert last - first > 0.7
    assert 1 < max(map(len, world.sink.batches)) <= 10
    assert world.report().is_clean


def test_no_more_requests_are_in_flight_than_an_operator_allows_whatever_they_carry(world: World) -> None:
    world.sink.everyone = Reply(delay_seconds=0.02)
    world.change(max_concurrency=1)
    world.many(50, 2)
    with forwarding([world.destination], threads=2):
        assert eventually(world.is_settled)
    assert world.sink.most_in_flight == 1
    assert len(world.sink.batches) > 1


def test_as_many_batches_are_in_flight_as_their_events_may_be(sink: Sink, committed: None) -> None:
    world = make_world(sink, config={"batch_events": 10})
    type(world.health()).objects.update(learned={"events": 60, "batch": 10, "of": 10})
    sink.everyone = Reply(delay_seconds=0.3)
    world.many(200, 3)
    run_once(world.destination, limits(share=1, concurrency=20, concurrency_most=60, budget_seconds=1.5))
    assert max(map(len, sink.batches)) == 10
    assert sink.most_in_flight > 3, "as a link that begins would"
    assert sink.most_in_flight <= 7, "and at most one alone beside six"


def test_what_is_passed_over_while_it_waits_for_its_batch_is_not_sent(sink: Sink, committed: None) -> None:
    world = make_world(sink, config={"batch_events": 5})
    sink.everyone = Reply(delay_seconds=2.0)
    world.many(40, 1)
    with forwarding([world.destination], chosen=limits(share=1, concurrency=5, concurrency_most=5, budget_seconds=9)):
        assert sink.wait_for(lambda sink: len(sink.arrivals) == 10)
        actions.pause([world.destination.pk], "operator")
        actions.resume([world.destination.pk], "operator", skip=True)
        assert eventually(world.is_settled)
    assert len(sink.arrivals) == 10, "two requests, which had begun before"
    assert (world.balance()["skipped"], world.balance()["difference"]) == (30, 0)


def test_what_was_passed_over_before_goes_in_no_batch(world: World) -> None:
    world.many(10, 2)
    actions.pause([world.destination.pk], "operator")
    actions.resume([world.destination.pk], "operator", skip=True)
    world.many(10, 2, "later")
    run_once(world.destination)
    assert world.balance()["skipped"] == 20
    assert sorted(world.sink.ids()) == sorted(f"later{user}-{number}" for user in range(10) for number in range(2))
    assert world.balance()["difference"] == 0


def test_a_destination_that_takes_no_lists_gets_everything_one_by_one_and_the_next_link_knows(world: World) -> None:
    world.sink.refuses_batches = True
    world.many(30, 5)
    with forwarding([world.destination], chosen=limits(share=1)):
        assert eventually(world.is_settled)
    assert world.report().is_clean, world.report()
    assert world.report().duplicates == []
    assert world.health().state == "ok"
    assert (world.health().learned or {})["of"] == MOST
    assert (world.health().learned or {})["batch"] < MOST


def test_one_batch_that_is_too_much_leaves_no_row_and_is_sent_again_when_it_was_asked_to_be(world: World) -> None:
    world.many(30, 2)
    world.sink.everyone = Reply(429, retry_after="1")
    with forwarding([world.destination], chosen=limits(share=1, budget_seconds=9.0)):
        assert world.sink.wait_for(lambda sink: len(sink.batches) >= 1)
        world.sink.everyone = None
        assert eventually(world.is_settled)
    assert world.report().is_clean, world.report()
    assert Attempt.objects.count() == 0, "no event failed"
    assert world.health().breaker == "closed"
    assert (world.health().learned or {"batch": MOST})["batch"] == MOST


@pytest.mark.parametrize("reply", [Reply(429, retry_after="0"), Reply(503, retry_after="0"), Reply(503)])
def test_a_destination_for_which_everything_is_too_much_opens_its_breaker(world: World, reply: Reply) -> None:
    world.many(30, 2)
    world.sink.everyone = reply
    with forwarding([world.destination], chosen=limits(share=1, budget_seconds=9.0)):
        assert eventually(lambda: world.health().breaker == "open")
        world.sink.everyone = None
        assert eventually(world.is_settled)
    assert world.report().is_clean, world.report()
    assert (world.health().learned or {"batch": MOST})["batch"] == MOST


def test_a_batch_that_is_never_answered_opens_the_breaker_though_its_link_is_over_by_then(world: World) -> None:
    world.many(30, 1)
    world.sink.everyone = HANG
    with forwarding([world.destination], chosen=limits(share=1, timeout_seconds=1.0, budget_seconds=0.1)):
        assert eventually(lambda: world.health().breaker == "open")
        world.sink.everyone = None
        assert eventually(world.is_settled)
    assert world.report().is_clean, world.report()


def test_a_replay_goes_in_batches_too(world: World) -> None:
    world.many(20, 2)
    run_once(world.destination)
    assert eventually(world.is_settled)
    before = len(world.sink.arrivals)
    create(Selection(world.destination.pk), actor="operator")
    with forwarding([world.destination]):
        assert world.sink.wait_for(lambda sink: len(sink.arrivals) == before + 40)
    again = [arrival.message_id for arrival in world.sink.arrivals[before:]]
    for user, expected in world.accepted.items():
        assert [name for name in again if name.rpartition("-")[0] == user] == expected
