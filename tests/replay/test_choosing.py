"""What a replay chooses, and how many events it says it will send."""

from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from destinations.models import Connection, Delivery
from destinations.replay import counting, times
from destinations.replay.create import create, preview
from destinations.replay.selection import BadSelection, NothingToReplay
from ingest.models import Event, Source
from rudderproj import db
from tests.forwarding.world import World
from tests.replay.replays import DEAD_LETTERS, deliver, numbers, run, selection, start


def counted(world: World, **chosen: Any) -> tuple[int, bool]:
    found = preview(selection(world, **chosen))
    return found.events, found.is_exact


def age(pattern: str, hours: float) -> None:
    """As if these events had been accepted so long ago."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ingest_event SET received_at = now() - %s * interval '1 hour' WHERE message_id LIKE %s",
            [hours, pattern],
        )


@pytest.fixture
def aged(world: World) -> World:
    """Two users with an event each 5, 3, 2 and 1 hours ago; one was always something else."""
    for hours in (5, 3, 2, 1):
        world.append("a", f"a-{hours}")
        world.append("b", f"b-{hours}", event="Bought")
        age(f"%-{hours}", hours)
    world.append("c", "c-page", type="page", event="Clicked")
    age("c-page", 1)
    deliver(world)
    return world


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, ["a-5", "b-5", "a-3", "b-3", "a-2", "b-2", "a-1", "b-1", "c-page"]),
        ({"since": 2.5}, ["a-2", "b-2", "a-1", "b-1", "c-page"]),
        ({"until": 2.5}, ["a-5", "b-5", "a-3", "b-3"]),
        ({"since": 4, "until": 1.5}, ["a-3", "b-3", "a-2", "b-2"]),
        ({"event": "Bought"}, ["b-5", "b-3", "b-2", "b-1"]),
        ({"event": "page"}, ["c-page"]),
        ({"user_key": "a", "since": 2.5}, ["a-2", "a-1"]),
        ({"event": "Bought", "until": 4}, ["b-5"]),
        ({"message_ids": ("b-3", "a-1", "c-page")}, ["b-3", "a-1", "c-page"]),
    ],
)
def test_a_range_of_the_log_is_chosen_by_time_event_user_and_message_id(
    aged: World, chosen: dict[str, Any], expected: list[str]
) -> None:
    for name in ("since", "until"):
        if name in chosen:
            chosen = chosen | {name: timezone.now() - timedelta(hours=chosen[name])}
    assert counted(aged, **chosen) == (len(expected), True)
    first = len(aged.sink.arrivals)
    replay = start(aged, **chosen)
    run(aged, replay)
    assert sorted(aged.sink.ids()[first:]) == sorted(expected)
    assert numbers(replay, "delivered", "pending") == [len(expected), 0]


def test_only_what_lies_in_the_range_is_looked_at(aged: World) -> None:
    now = timezone.now()
    replay = start(aged, since=now - timedelta(hours=3.5), until=now - timedelta(hours=2.5))
    assert numbers(replay, "total") == [2]


def test_an_xid_is_found_for_a_time(aged: World) -> None:
    with closing(db.connect("tests", 10)) as raw:

        def names(hours: float) -> set[str]:
            xid = times.first_xid(raw, [aged.source.pk], timezone.now() - timedelta(hours=hours))
            return set(
                Event.objects.filter(xid__gte=xid).exclude(message_id="c-page").values_list("message_id", flat=True)
            )

        assert names(6) == {f"{user}-{hours}" for user in "ab" for hours in (5, 3, 2, 1)}
        assert names(2.5) == {"a-2", "b-2", "a-1", "b-1"}
        assert names(0.5) == set()
        assert names(-24 * 365) == set()


def test_dead_letters_are_chosen_by_reason_time_event_and_one_by_one(world: World) -> None:
    world.append("a", "a-400", answers=[400, 200])
    world.append("b", "b-422", answers=[422, 200], event="Bought")
    world.append("c", "c-400", answers=[400, 200])
    world.append("c", "c-fine")
    deliver(world)
    Delivery.objects.filter(message_id="c-400").update(updated_at=timezone.now() - timedelta(hours=2))
    hour_ago = timezone.now() - timedelta(hours=1)

    def letters_of(**chosen: Any) -> tuple[int, bool]:
        return counted(world, origin=DEAD_LETTERS, **chosen)

    assert letters_of() == (3, True)
    assert letters_of(reason="HTTP 400") == (2, True)
    assert letters_of(since=hour_ago) == (2, True)
    assert letters_of(until=hour_ago) == (1, True)
    assert letters_of(user_key="b") == (1, True)
    assert letters_of(event="Bought") == (1, True)
    assert letters_of(message_ids=("a-400", "b-422")) == (2, True)
    picked = Delivery.objects.get(message_id="a-400")
    replay = start(world, origin=DEAD_LETTERS, delivery_ids=(picked.pk,))
    run(world, replay)
    assert world.sink.ids().count("a-400") == 2
    assert len(world.sink.ids()) == 5
    assert numbers(replay, "total", "delivered", "pending") == [1, 1, 0]
    replay = start(world, origin=DEAD_LETTERS, reason="HTTP 422")
    run(world, replay)
    assert [row.message_id for row in world.rows(state="aborted")] == ["c-400"]


def test_only_one_of_a_destinations_sources_is_chosen(world: World) -> None:
    other = Source.objects.create(name="other", write_key="other")
    Connection.objects.create(source=other, destination=world.destination)
    world.append("u", "u0")
    deliver(world)
    assert counted(world, source_id=world.source.pk) == (1, True)
    with pytest.raises(NothingToReplay):
        start(world, source_id=other.pk)


def test_what_cannot_be_is_refused_with_one_line(world: World) -> None:
    world.append("u", "u0")
    deliver(world)
    now = timezone.now()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"since": now, "until": now - timedelta(1)}, "since must be before until"),
        ({"reason": "x"}, "only dead letters are chosen by their reason or by delivery"),
        ({"message_ids": ("u0", "u9")}, "not there, or not settled yet: u9"),
        ({"message_ids": tuple(map(str, range(1001)))}, "more than 1000 events chosen one by one: choose a range"),
        ({"source_id": 10**6}, "the destination is not connected to that source"),
    ]
    for chosen, problem in cases:
        with pytest.raises(BadSelection, match=problem):
            preview(selection(world, **chosen))
    with pytest.raises(BadSelection, match="rate"):
        create(selection(world), "ada", rate=0)
    with pytest.raises(NothingToReplay, match="nothing to replay: no such event"):
        create(selection(world, event="Nothing"), "ada")


def test_a_long_range_is_estimated_and_never_too_low(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.many(users=20, each=5)
    deliver(world)
    monkeypatch.setattr(counting, "EXACT_EVENTS", 50)
    monkeypatch.setattr("ingest.tally.MILESTONE_EVENTS", 10)
    monkeypatch.setattr("ingest.tally.STEP_EVENTS", 1)
    events, is_exact = counted(world)
    assert not is_exact
    assert events >= 100
    monkeypatch.setattr(counting, "EXACT_EVENTS", 500)
    monkeypatch.setattr(counting, "EXACT_PAYLOADS", 50)
    assert counted(world) == (100, True)
    assert counted(world, event="Clicked") == (100, False)
