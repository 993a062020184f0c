"""What nobody can do anything about must cost nothing: no link may spin on it, ring for it, or be rung for it."""

from contextlib import closing
from typing import Any

import pytest

from destinations import due, lanes, link
from destinations.retry import RetryPolicy
from destinations.sweep import with_work
from rudderproj import db
from rudderproj.celery import FORWARD_QUEUE, app
from tests.forwarding.workers import eventually, forwarding, limits, run_once
from tests.forwarding.world import World, make_world

PATIENT = limits(budget_seconds=3.0)
FEW = 100  # a link that has nothing to do looks some thirty times; one that spins for its budget, three hundred times


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time that a link looked for lanes."""
    seen: list[int] = []
    take = lanes.take

    def counted(*args: Any, **options: Any) -> list[lanes.ClaimedLane]:
        seen.append(1)
        return take(*args, **options)

    monkeypatch.setattr(lanes, "take", counted)
    return seen


def messages() -> int:
    """Links that were rung and not run yet."""
    with app.producer_or_acquire() as producer:
        return int(producer.channel.client.llen(FORWARD_QUEUE))


def swept(world: World) -> bool:
    """Whether a sweep would ring the destination."""
    with closing(db.connect("test", 10)) as raw:
        return world.destination.pk in with_work(raw)


def test_a_destination_without_connections_rings_no_further_link(world: World) -> None:
    world.connection.delete()
    before = messages()
    run_once(world.destination)
    assert messages() == before


def test_events_owed_by_a_destination_that_is_switched_off_make_no_link_spin(world: World, looks: list[int]) -> None:
    world.append("u", *(f"before-{number}" for number in range(100)))
    world.change(enabled=False)
    assert run_once(world.destination, PATIENT) is False
    assert len(looks) < FEW
    assert not swept(world)


def test_held_users_of_a_destination_that_is_switched_off_make_no_link_spin(world: World, looks: list[int]) -> None:
    world.append("u", "u0", answers=[500] * 1000)
    with forwarding([world.destination]):
        assert eventually(lambda: [row.state for row in world.rows()] == ["failed"])
    world.change(enabled=False)
    run_once(world.destination, PATIENT)
    assert len(looks) < FEW
    assert not swept(world)
    world.change(enabled=True)
    assert eventually(lambda: swept(world))


def test_what_is_accepted_while_switched_off_is_swept_and_filtered_behind_nothing_older(world: World) -> None:
    world.change(enabled=False)
    world.append("u", "meanwhile")
    assert swept(world)
    run_once(world.destination)
    assert world.balance()["filtered"] == 1
    assert not swept(world)


def test_what_is_accepted_while_switched_off_waits_behind_what_is_owed_from_before(
    world: World, looks: list[int]
) -> None:
    world.append("u", "before")
    world.change(enabled=False)
    world.append("u", "meanwhile")
    run_once(world.destination, PATIENT)
    assert not swept(world)
    assert len(looks) < FEW
    world.change(enabled=True)
    world.append("u", "after")
    assert swept(world)
    with forwarding([world.destination]):
        assert eventually(world.is_settled)
    assert world.sink.ids() == ["before", "after"]
    assert world.balance()["filtered"] == 1


def test_a_connection_that_is_switched_off_does_not_keep_the_links_of_its_neighbour_going(
    world: World, looks: list[int]
) -> None:
    other = make_world(world.sink, "other")
    neighbour = other.connection
    neighbour.destination = world.destination
    neighbour.save()
    other.append("v", *(f"v{number}" for number in range(100)))
    neighbour.enabled = False
    neighbour.save()
    world.append("u", "u0")
    assert run_once(world.destination, PATIENT) is False
    assert world.sink.ids() == ["u0"]
    assert len(looks) < FEW


def test_a_lane_whose_cursor_stopped_at_its_limit_of_rows_makes_no_link_spin(
    world: World, looks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "LANE_ROWS", 5)
    monkeypatch.setattr(link, "READ_EVENTS", 10)
    monkeypatch.setattr(due, "READ_EVENTS", 10)
    world.append("u", "u0", answers=[500] * 50)
    world.append("u", *(f"u{number}" for number in range(1, 60)))
    later = RetryPolicy(window_seconds=3600, attempts=3, base_seconds=3000, max_seconds=3000)
    run_once(world.destination, limits(budget_seconds=3.0, retry=later))
    assert len(looks) < FEW
    assert world.balance()["difference"] == 0
