"""Suspects are tried alone, in a process with nothing else in flight, which may die of them."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.utils import timezone

from alerts import modes
from alerts.models import Crash
from destinations import actions
from destinations.models import Delivery
from destinations.oracle.sink import Sink
from tests.forwarding.world import World, make_world
from tests.suspects.crashes import crash, entry, states
from tests.suspects.pool import STATUS_OF_SEGFAULT, Pool

pytestmark = pytest.mark.slow

ROUNDS = 30  # shifts after which a test gives up


def work(processes: Pool, *worlds: World) -> list[int]:
    """Shifts until everything is settled; how those ended that did not end well."""
    deaths = []
    for _ in range(ROUNDS):
        for world in worlds:
            if status := processes.shift(world.destination.pk):
                deaths.append(status)
        if all(world.is_settled() for world in worlds):
            return deaths
    raise AssertionError(f"not settled: {[world.balance() for world in worlds]}, {deaths}")


def deadly(sink: Sink, name: str, death: str = "segfault", killers: Sequence[int] = (7,)) -> World:
    """Twenty users of three events; the second of user 7, or of these, kills."""
    world = make_world(sink, name)
    world.change(type="deadly")
    world.many(20, 1, name)
    for user in range(20):
        properties = {"death": death} if user in killers else {}
        world.append(f"{name}{user}", f"{name}{user}-1", properties=properties)
        world.append(f"{name}{user}", f"{name}{user}-2")
    return world


def assert_only_the_poison_is_lost(world: World, poison: str) -> None:
    (letter,) = world.rows(state="aborted")
    assert letter.message_id == poison
    assert world.report([poison]).is_clean, world.report([poison])
    assert world.balance()["delivered"] == sum(map(len, world.accepted.values())) - 1
    assert poison not in world.sink.ids()


def test_one_poison_event_costs_itself_and_three_deaths(sink: Sink, committed: None, processes: Pool) -> None:
    world = deadly(sink, "hook")
    deaths = work(processes, world)
    assert set(deaths) == {STATUS_OF_SEGFAULT}
    assert 2 <= len(deaths) <= 3
    assert_only_the_poison_is_lost(world, "hook7-1")
    (letter,) = world.rows(state="aborted")
    crashes = [str(pk) for pk in Crash.objects.order_by("at").values_list("pk", flat=True)]
    assert letter.reason == f"poison: killed the worker twice (crash {crashes[-1]})"
    assert (letter.request, letter.response) == (None, {"crashes": crashes})
    assert set(Crash.objects.values_list("explained", flat=True)) == {"event hook7-1"}
    assert "open" not in states().values()
    assert [name for name, state in states().items() if state == "guilty"] == ["hook7-1"]
    assert (world.health().state, modes.current().mode) == ("ok", "normal")


def test_poison_events_of_a_destination_that_takes_all_others_cost_themselves(
    sink: Sink, committed: None, processes: Pool
) -> None:
    world = deadly(sink, "hook", killers=(3, 7, 11))
    work(processes, world)
    poison = ["hook11-1", "hook3-1", "hook7-1"]
    assert sorted(row.message_id for row in world.rows(state="aborted")) == poison
    assert world.report(poison).is_clean, world.report(poison)
    assert (world.health().state, world.balance()["delivered"], world.balance()["difference"]) == ("ok", 57, 0)
    assert not Crash.objects.filter(explained="").exists()


def test_the_fifth_poison_event_within_an_hour_holds_its_destination(
    sink: Sink, committed: None, processes: Pool
) -> None:
    world = deadly(sink, "hook", killers=(1, 3, 7, 11, 15))
    for _ in range(ROUNDS):
        processes.shift(world.destination.pk)
        if world.health().state == "held":
            break
    assert world.health().last_error.startswith("its events kill the worker (crash ")
    assert len(world.rows(state="aborted")) == 4
    assert not Crash.objects.filter(explained="").exists()


def test_poison_events_of_two_destinations_are_told_apart(sink: Sink, committed: None, processes: Pool) -> None:
    worlds = [deadly(sink, "one"), deadly(sink, "two", "exit")]
    deaths = work(processes, *worlds)
    assert set(deaths) == {STATUS_OF_SEGFAULT, 3}
    assert len(deaths) <= 6
    for world, poison in zip(worlds, ("one7-1", "two7-1"), strict=True):
        (letter,) = world.rows(state="aborted")
        assert letter.message_id == poison
        assert world.health().state == "ok"
    assert not Crash.objects.filter(explained="").exists()


def test_a_destination_that_dies_of_anything_is_held_and_the_others_go_on(
    sink: Sink, committed: None, processes: Pool
) -> None:
    with Sink() as other:
        bad, good = make_world(sink, "bad", config={"death": "segfault"}), make_world(other, "good")
        assert_held_beside(bad, good, processes)
    bad.change(config=bad.destination.config | {"death": ""})
    actions.resume([bad.destination.pk], "operator")
    assert work(processes, bad) == []
    (letter,) = bad.rows(state="aborted")
    assert bad.report([letter.message_id]).is_clean


def assert_held_beside(bad: World, good: World, processes: Pool) -> None:
    bad.change(type="deadly")
    bad.many(30, 2, "bad")
    good.many(30, 2, "good")
    for _ in range(ROUNDS):
        processes.shift(bad.destination.pk)
        processes.shift(good.destination.pk)
        if bad.health().state == "held" and good.is_settled():
            break
    assert good.report().is_clean
    assert len(good.sink.ids()) == 60
    last = Crash.objects.order_by("at").last()
    assert last
    assert bad.health().last_error == f"its events kill the worker (crash {last.pk})"
    assert Delivery.objects.filter(state="aborted").count() == 1
    assert not Crash.objects.filter(explained="").exists()
    assert "destination bad" in Crash.objects.values_list("explained", flat=True)


def test_a_plugin_that_dies_at_import_is_held_and_tried_once_more_when_resumed(
    sink: Sink, committed: None, processes: Pool
) -> None:
    bad, good = make_world(sink, "bad"), make_world(sink, "good")
    bad.change(type="stillborn")
    bad.append("u", "u0", "u1")
    good.append("u", "g0")
    deaths = [processes.shift(world.destination.pk) for _ in range(3) for world in (bad, good)]
    assert [status for status in deaths if status] == [4, 4]
    assert good.is_settled()
    last = Crash.objects.order_by("at").last()
    assert last
    assert bad.health().last_error == f"its plugin kills the worker (crash {last.pk})"
    assert set(Crash.objects.values_list("explained", flat=True)) == {"destination bad"}
    assert states() == {"bad": "open"}

    bad.change(type="webhook")
    actions.resume([bad.destination.pk], "operator")
    assert work(processes, bad) == []
    assert states() == {"bad": "cleared"}
    assert sink.ids() == ["g0", "u0", "u1"]


def test_a_death_that_no_event_explains_counts_once_its_suspects_are_cleared(
    sink: Sink, committed: None, processes: Pool
) -> None:
    world = make_world(sink)
    world.append("a", "a0", "a1")
    world.append("b", "b0")
    died = crash(entry(world, "a0"), entry(world, "b0"))
    Crash.objects.update(suspected_until=timezone.now() + timedelta(hours=1))
    assert work(processes, world) == []
    died.refresh_from_db()
    assert died.explained == ""
    assert died.suspected_until
    assert died.suspected_until <= timezone.now()
    assert states() == {"a0": "cleared", "b0": "cleared"}
    assert world.report().is_clean
