"""Pausing, resuming and cancelling replays, their rate, and destinations that are not there for them."""

import threading
from contextlib import closing

import pytest

from destinations import actions
from destinations.models import Delivery, Lane, Replay, ReplayAction
from destinations.replay import steer
from destinations.replay.pace import Pace
from destinations.replay.progress import progress
from destinations.replay.selection import Running
from destinations.sweep import with_work
from rudderproj import db
from tests.forwarding.workers import eventually, forwarding, limits, run_once
from tests.forwarding.world import World
from tests.replay.replays import close_ended, deliver, in_order, is_finished, numbers, run, start

FAR_OFF = [200, {"status": 503, "retry_after": "3000"}]


def test_a_replay_stops_when_it_is_paused_and_goes_on_where_it_stood(world: World) -> None:
    world.many(users=20, each=10)
    deliver(world)
    first = len(world.sink.arrivals)
    replay = start(world, rate=100)
    with forwarding([world.destination], threads=2):
        assert world.sink.wait_for(lambda sink: len(sink.arrivals) > first + 20)
        assert steer.pause(replay.pk, "grace")
        at_the_pause = len(world.sink.arrivals)
        assert eventually(lambda: not Lane.objects.filter(replay=replay.pk, claim_id__isnull=False).exists())
        stopped = len(world.sink.arrivals)
        assert stopped - at_the_pause <= 100, "more than a second's worth was sent"
        assert not world.sink.wait_for(lambda sink: len(sink.arrivals) > stopped, 1.0)
        delivered, pending = numbers(replay, "delivered", "pending")
        assert delivered + pending == 200
        assert not steer.pause(replay.pk, "grace")
        Replay.objects.filter(pk=replay.pk).update(rate=None)
        assert steer.resume(replay.pk, "eve")
        assert eventually(lambda: is_finished(replay))
    again = world.sink.ids()[first:]
    assert len(again) == len(set(again)) == 200
    assert in_order(world, again)
    kept = ReplayAction.objects.filter(replay=replay).order_by("id").values_list("action", "actor")
    assert list(kept) == [("create", "ada"), ("pause", "grace"), ("resume", "eve"), ("finish", "")]


def test_what_a_link_has_in_memory_is_not_sent_after_a_pause(world: World) -> None:
    world.many(users=20, each=1)
    deliver(world)
    world.change(max_concurrency=1)
    for name in [name for order in world.accepted.values() for name in order]:
        world.sink.script(name, [200, {"delay_seconds": 0.4}])
    first = len(world.sink.arrivals)
    replay = start(world)
    with forwarding([world.destination]):
        assert world.sink.wait_for(lambda sink: len(sink.arrivals) > first)
        at_the_pause = len(world.sink.arrivals)
        steer.pause(replay.pk, "grace")
        assert eventually(lambda: not Lane.objects.filter(replay=replay.pk, claim_id__isnull=False).exists())
    assert len(world.sink.arrivals) - at_the_pause <= 1


def test_a_cancelled_replay_sends_nothing_more_and_keeps_its_counts(world: World) -> None:
    world.append("u", "failing", "behind", answers=FAR_OFF)
    world.many(users=10, each=10)
    deliver(world)
    replay = start(world, rate=50)
    with forwarding([world.destination]):
        assert eventually(lambda: numbers(replay, "failed", "waiting") == [2, 0] or numbers(replay, "waiting") == [1])
        assert steer.cancel(replay.pk, "grace")
        assert eventually(lambda: close_ended() >= 0 and not Lane.objects.filter(replay=replay.pk).exists())
    arrived = len(world.sink.arrivals)
    run_once(world.destination)
    assert len(world.sink.arrivals) == arrived
    found = progress(replay.pk)
    assert (found["state"], found["failed"], found["waiting"], found["skipped"]) == ("cancelled", 0, 0, 2)
    assert found["delivered"] + found["pending"] + found["skipped"] == 102
    assert found["ended_at"] is not None
    assert {row.reason for row in Delivery.objects.filter(replay=replay.pk, state="skipped")} == {"replay cancelled"}
    assert not steer.cancel(replay.pk, "eve")
    assert not steer.resume(replay.pk, "eve")
    assert world.balance()["difference"] == 0


def test_a_replay_waits_while_its_destination_is_paused_or_switched_off(world: World) -> None:
    world.many(users=3, each=3)
    deliver(world)
    actions.pause([world.destination.pk], "ada")
    replay = start(world)
    with closing(db.connect("tests", 10)) as raw:
        assert with_work(raw) == []
        run_once(world.destination)
        actions.resume([world.destination.pk], "ada")
        assert with_work(raw) == [world.destination.pk]
        world.change(enabled=False)
        assert with_work(raw) == []
        run_once(world.destination)
        assert len(world.sink.arrivals) == 9
        world.change(enabled=True)
        assert with_work(raw) == [world.destination.pk]
    run(world, replay)
    assert numbers(replay, "delivered") == [9]


@pytest.mark.parametrize("budget_seconds", [0.3, 2.0])
def test_a_rate_is_honoured_over_all_links(world: World, budget_seconds: float) -> None:
    world.many(users=16, each=2)
    deliver(world)
    first = len(world.sink.arrivals)
    replay = start(world, rate=10)
    with forwarding([world.destination], threads=2, chosen=limits(budget_seconds=budget_seconds)):
        assert eventually(lambda: is_finished(replay))
    arrivals = world.sink.arrivals[first:]
    assert len(arrivals) == 32
    took = arrivals[-1].at - arrivals[0].at
    assert took >= 31 / 10 * 0.75, f"32 events in {took:.2f} s at 10 a second"


def test_live_events_do_not_wait_for_a_large_replay(world: World) -> None:
    world.many(users=50, each=20)
    deliver(world)
    for name in [name for order in world.accepted.values() for name in order]:
        world.sink.script(name, [200, {"delay_seconds": 0.02}])
    first = len(world.sink.arrivals)
    replay = start(world)
    with forwarding([world.destination]):
        assert world.sink.wait_for(lambda sink: len(sink.arrivals) > first + 50)
        before = len(world.sink.arrivals)
        world.append("live", "live-0")
        assert world.sink.wait_for(lambda sink: "live-0" in sink.ids())
        passed = world.sink.ids().index("live-0") - before
        assert eventually(lambda: is_finished(replay))
    assert passed < 4 * 64 + 200, f"{passed} events of the replay went before"
    assert in_order(world, world.sink.ids()[first:])


def test_a_replay_goes_on_beside_live_traffic_that_never_ends(world: World) -> None:
    world.many(users=10, each=10)
    deliver(world)
    first = len(world.sink.arrivals)
    stop = threading.Event()

    def feed() -> None:
        number = 0
        while not stop.is_set():
            for user in range(10):
                world.append(f"u{user}", f"u{user}-live-{number}")
            number += 1

    replay = start(world)
    feeder = threading.Thread(target=feed)
    with forwarding([world.destination], threads=2):
        feeder.start()
        try:
            assert eventually(lambda: is_finished(replay))
        finally:
            stop.set()
            feeder.join()
        assert eventually(world.is_settled)
    arrived = world.sink.ids()[first:]
    live = [name for name in arrived if "live" in name]
    again = [name for name in arrived if "live" not in name]
    assert in_order(world, live)
    assert in_order(world, again)
    assert len(again) == len(set(again)) == 100
    assert world.balance()["difference"] == 0


def test_the_pace_beside_live_traffic_is_a_part_of_the_senders() -> None:
    pace = Pace(64, lambda: 0.0)
    assert pace.room(live_events=1, replayed_events=10) == 6
    assert pace.room(live_events=0, replayed_events=56) == 200
    assert Pace(1, lambda: 0.0).room(live_events=5, replayed_events=0) == 1


def test_a_rate_is_kept_from_link_to_link_and_shared() -> None:
    now = [100.0]
    pace = Pace(64, lambda: now[0])
    pace.keep({1: Running("log", "", 10, 2, 0.0), 2: Running("log", "", None, 1, 0.0)})
    assert pace.allowed(2, 50) == 50
    assert pace.allowed(1, 50) == 1
    pace.spend(1)
    assert pace.allowed(1, 50) == 0
    assert pace.waits
    assert not pace.waits
    assert pace.rests() == {1: pytest.approx(0.2)}
    now[0] += 0.2
    assert pace.allowed(1, 50) == 1
    now[0] += 60
    assert pace.allowed(1, 50) == 1, "what was not used long ago is not made up for"
    later = Pace(64, lambda: now[0])
    later.keep({1: Running("log", "", 10, 1, 0.5)})
    assert later.allowed(1, 50) == 0
    now[0] += 0.5
    assert later.allowed(1, 50) == 1
