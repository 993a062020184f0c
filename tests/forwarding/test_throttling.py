"""Links find out how many requests a destination takes at once, and tell the next one."""

import pytest

from destinations.oracle.script import Reply
from destinations.throttle import WINDOW_ANSWERS
from tests.forwarding.workers import eventually, forwarding, limits, run_once
from tests.forwarding.world import World

FEW = limits(share=1, concurrency=4, concurrency_most=64, budget_seconds=10.0)


def test_a_destination_that_answers_as_fast_is_sent_more_at_once_and_the_next_link_begins_there(world: World) -> None:
    world.sink.everyone = Reply(delay_seconds=0.1)
    learned = 0
    for number in range(5):  # a busy machine may make a raise look as if it had been in vain
        world.many(40, 6, f"{number}u")
        run_once(world.destination, FEW)
        if (learned := (world.health().learned or {}).get("events", 0)) > 4:
            break
    assert 4 < learned <= 64
    assert 4 < world.sink.most_in_flight <= 64
    world.sink.most_in_flight = 0
    world.many(100, 1, "late")
    run_once(world.destination, FEW)
    assert world.sink.most_in_flight > 4
    assert world.report().is_clean, world.report()


def test_one_that_says_too_many_is_sent_half_of_them_and_loses_nothing(world: World) -> None:
    world.sink.everyone = Reply(429, retry_after="0")
    world.many(100, 1)
    run_once(world.destination)
    assert 1 <= (world.health().learned or {})["events"] <= 32
    assert world.health().breaker == "open"

    world.sink.everyone = None
    with forwarding([world.destination]):
        assert eventually(world.is_settled)
    assert world.report().is_clean, world.report()


@pytest.mark.parametrize("allowed", [1, 6])
def test_what_was_learned_is_never_more_than_an_operator_allows(world: World, allowed: int) -> None:
    world.sink.everyone = Reply(delay_seconds=0.01)
    type(world.health()).objects.update(learned={"events": 50, "batch": 1, "of": 1})
    world.change(max_concurrency=allowed)
    world.many(50, 2)
    with forwarding([world.destination], threads=2, chosen=limits(share=2, concurrency_most=64)):
        assert eventually(world.is_settled)
    assert 1 <= world.sink.most_in_flight <= allowed


def test_a_link_that_needed_no_more_than_it_might_have_tells_nothing(world: World) -> None:
    world.many(2, WINDOW_ANSWERS)
    run_once(world.destination, limits(concurrency_most=64))
    assert world.health().learned is None
    assert world.report().is_clean
