"""Modes, switches, filters and limits: in force while links are at work, nothing lost by switching."""

import threading
import time
from contextlib import closing

import pytest
from django.conf import settings

from alerts import modes
from destinations import registry
from destinations.models import Claim, Connection, Destination
from destinations.sweep import with_work
from ingest.models import Source
from rudderproj import db
from tests.forwarding.workers import eventually, forwarding, limits, run_once
from tests.forwarding.world import World, make_world


def test_degraded_mode_stops_links_that_are_at_work_and_normal_mode_resumes(world: World) -> None:
    world.change(rate_limit=20)
    world.many(users=40, each=20)
    with forwarding([world.destination]):
        assert world.sink.wait_for(lambda sink: len(sink.arrivals) > 5)
        modes.set_mode("degraded", "test", "test")
        at_the_change = len(world.sink.arrivals)
        assert eventually(lambda: not world.destination.claim_set.exists())
        arrived = len(world.sink.arrivals)
        assert not world.sink.wait_for(lambda sink: len(sink.arrivals) > arrived, 1.0)
        assert arrived - at_the_change <= 20, "a second's worth or more was sent in degraded mode"
        assert world.balance()["difference"] == 0
        world.change(rate_limit=None)
        modes.set_mode("normal", "test", "test")
        assert eventually(world.is_settled)
    assert world.report().is_clean


def test_a_forced_degraded_mode_rings_nobody_and_sends_nothing_whatever_is_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.append("u", "stored")
    monkeypatch.setitem(settings.ENV, "RSERVER_MODE", "degraded")
    with closing(db.connect("test", 5)) as raw:
        assert with_work(raw) == []
    run_once(world.destination)
    assert (world.sink.ids(), modes.current().stored) == ([], "normal")
    modes.set_mode("degraded", "a loop", "recovery")
    monkeypatch.setitem(settings.ENV, "RSERVER_MODE", "normal")
    with closing(db.connect("test", 5)) as raw:
        assert eventually(lambda: with_work(raw) == [world.destination.pk])
    with forwarding([world.destination]):
        assert eventually(world.is_settled)
    assert world.sink.ids() == ["stored"]


@pytest.mark.parametrize("what", ["connection", "destination"])
def test_what_was_accepted_while_switched_off_is_filtered_and_the_rest_delivered_on_return(
    world: World, what: str
) -> None:
    switched: Connection | Destination = world.connection if what == "connection" else world.destination
    world.append("u", "before")
    switched.enabled = False
    switched.save()
    world.append("u", "meanwhile")
    run_once(world.destination)
    assert world.sink.ids() == []
    assert world.balance()["difference"] == 0

    switched.enabled = True
    switched.save()
    world.append("u", "after")
    with forwarding([world.destination]):
        assert eventually(world.is_settled)

    assert world.sink.ids() == ["before", "after"]
    terms = world.balance()
    assert (terms["delivered"], terms["filtered"], terms["difference"]) == (2, 1, 0)
    assert {reason for lane in world.connection.lane_set.all() for reason in lane.filtered} == {"disabled"}


def test_an_event_accepted_right_after_a_connection_returns_is_never_filtered(world: World) -> None:
    busy = make_world(world.sink, "busy")
    Connection.objects.create(source=busy.source, destination=world.destination)
    stop = threading.Event()

    def feed() -> None:
        for number in range(10_000):
            busy.many(users=5, each=1, prefix=f"busy{number}-")
            if stop.wait(0.01):
                return

    with forwarding([world.destination]):
        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            for turn in range(4):
                Connection.objects.filter(pk=world.connection.pk).update(enabled=False)
                time.sleep(0.3)  # until the link at work has seen it
                Connection.objects.filter(pk=world.connection.pk).update(enabled=True)
                world.append(f"user{turn}", f"owed{turn}")
            assert eventually(lambda: world.balance()["pending"] == 0)
        finally:
            stop.set()
            feeder.join()

    assert world.balance()["filtered"] == 0
    assert world.report().lost == []


@pytest.mark.slow
def test_a_connection_made_while_a_link_is_at_work_is_served(world: World) -> None:
    world.change(rate_limit=50)
    world.many(users=20, each=5)
    with forwarding([world.destination]):
        for number in range(3):
            source = Source.objects.create(name=f"late{number}", write_key=f"late{number}")
            made = Connection.objects.create(source=source, destination=world.destination)
            World(world.sink, source, world.destination, made).append("u", f"late{number}")
            assert eventually(lambda number=number: f"late{number}" in world.sink.ids())  # type: ignore[misc]
            made.delete()
        assert eventually(world.is_settled)


def test_filters_and_integrations_are_counted_by_reason(world: World) -> None:
    world.change(event_filter={"deny": ["Noise"]})
    world.append("u", "noise", event="Noise")
    world.append("u", "sent")
    world.append("u", "not for hook", integrations={"hook": False})
    world.append("u", "not for any", integrations={"All": False})
    world.append("u", "only hook", integrations={"All": False, "Hook": {"option": 1}})

    with forwarding([world.destination]):
        assert eventually(world.is_settled)

    assert world.sink.ids() == ["sent", "only hook"]
    counts = [lane.filtered for lane in world.connection.lane_set.exclude(filtered={})]
    assert counts == [{"event_filter": 1, "integrations": 2}]


def test_an_allow_list_lets_only_its_names_and_untracked_types_pass(world: World) -> None:
    world.change(event_filter={"allow": ["Bought"]})
    world.append("u", "other")
    world.append("u", "bought", event="Bought")
    world.append("u", "page", type="page")

    with forwarding([world.destination]):
        assert eventually(world.is_settled)

    assert world.sink.ids() == ["bought", "page"]


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_requests_are_in_flight_than_max_concurrency(world: World, threads: int) -> None:
    world.change(max_concurrency=3)
    world.many(users=40, each=2)
    for name in [m for order in world.accepted.values() for m in order]:
        world.sink.script(name, [{"delay_seconds": 0.01}])

    with forwarding([world.destination], threads=threads):
        assert eventually(world.is_settled)

    assert world.sink.most_in_flight <= 3


@pytest.mark.slow
def test_a_lower_max_concurrency_is_in_force_at_once(world: World) -> None:
    world.many(users=40, each=25)
    for name in [m for order in world.accepted.values() for m in order]:
        world.sink.script(name, [{"delay_seconds": 0.05}])

    with forwarding([world.destination], chosen=limits(budget_seconds=30)):
        assert world.sink.wait_for(lambda sink: sink.most_in_flight > 10)
        before = list(Claim.objects.values_list("pk", flat=True))
        world.change(max_concurrency=1)
        assert eventually(lambda: not Claim.objects.filter(pk__in=before).exists(), 10)
        world.sink.most_in_flight = 0
        arrived = len(world.sink.arrivals)
        assert world.sink.wait_for(lambda sink: len(sink.arrivals) > arrived + 10)
        assert world.sink.most_in_flight <= 1
        world.change(max_concurrency=None)
        assert eventually(world.is_settled)


@pytest.mark.slow
def test_links_that_share_a_destination_share_its_rate_limit(world: World) -> None:
    world.change(rate_limit=8)
    with forwarding([world.destination], threads=2, chosen=limits(budget_seconds=0.4)):
        world.many(users=12, each=1)
        assert eventually(world.is_settled)

    took = world.sink.arrivals[-1].at - world.sink.arrivals[0].at
    assert took >= 11 / 8 * 0.8, f"12 events in {took:.2f} s at 8 a second"


@pytest.mark.slow
def test_a_link_keeps_the_rate_limit_that_the_one_before_it_used_up(world: World) -> None:
    world.change(rate_limit=1)
    for number in range(3):
        world.append(f"u{number}", f"u{number}-0")
        run_once(world.destination)

    took = world.sink.arrivals[-1].at - world.sink.arrivals[0].at
    assert took >= 2 * 0.8, f"3 events in {took:.2f} s at 1 a second"


def test_a_plugin_that_cannot_be_imported_holds_its_destination_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_world(world.sink, "other")
    real = registry.plugin

    def plugin(name: str) -> object:
        if name == "inbox":
            raise ImportError("no such library")
        return real(name)

    monkeypatch.setattr(registry, "plugin", plugin)
    world.change(type="inbox")
    world.append("u", "held")
    other.append("u", "sent")

    with forwarding([world.destination, other.destination]):
        assert eventually(other.is_settled)
        assert eventually(lambda: world.health().state == "held")

    assert world.health().last_error == "inbox plugin cannot be imported: ImportError: no such library"
    assert world.balance()["pending"] == 1
