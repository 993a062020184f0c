"""Suspects of a destination whose breaker is open: then an examination is the probe, and may be the only one."""

from typing import Any

import psycopg2
import pytest
from django.db import DatabaseError
from django.utils import timezone
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations import health, lanes
from destinations.forward import Forwarder
from destinations.health import Probe
from destinations.lanes import ClaimedLane, Suspect
from destinations.lease import LeaseLost
from destinations.models import Health
from destinations.suspects.examination import Examination
from tests.forwarding.test_breaker import open_breaker, probe_now
from tests.forwarding.workers import LIMITS, run_once
from tests.forwarding.world import World
from tests.suspects.crashes import crash, entry, states

pytestmark = pytest.mark.usefixtures("committed")

DOWN = {"users": ["x", "y", "z"], "refused": [], "unreachable": 0}


def shift(world: World) -> None:
    """What a task does: first suspects, then a link."""
    forwarder = Forwarder(LIMITS)
    try:
        forwarder.work(world.destination.pk)
    finally:
        forwarder.close()


def break_down(world: World) -> None:
    """As links would have noted that three users' events failed."""
    open_breaker(world)
    Health.objects.filter(destination=world.destination).update(streak=DOWN)


def test_a_suspect_is_tried_although_the_destination_failed_before(world: World) -> None:
    world.append("a", "m0", "m1", "m2")
    crash(entry(world, "m0"))
    break_down(world)

    shift(world)

    assert (world.health().breaker, states()) == ("closed", {"m0": "cleared"})
    assert world.sink.ids() == ["m0", "m1", "m2"]


def test_a_probe_of_suspects_ends_with_its_first_failure(world: World) -> None:
    for user in ("a", "b", "c"):
        world.append(user, f"{user}0", answers=[500, 200])
    crash(*(entry(world, f"{user}0") for user in ("a", "b", "c")))
    break_down(world)

    shift(world)

    assert len(world.sink.ids()) == 1
    found = world.health()
    assert (found.breaker, found.probes_failed) == ("open", 1)


def test_an_event_that_keeps_failing_is_not_all_that_is_probed(world: World) -> None:
    world.append("a", "bad", answers=[500] * 50)
    world.append("a", "behind it")
    world.append("b", "good", "good too")
    crash(entry(world, "behind it"), entry(world, "good too"))
    break_down(world)

    probes = 0
    while probes < 10 and probe_now(world):
        shift(world)
        probes += 1

    assert (probes, world.health().breaker) == (4, "closed")
    assert states() == {"behind it": "cleared", "good too": "cleared"}
    assert world.sink.ids()[:5] == ["bad", "bad", "bad", "good", "good too"]


def test_a_lone_event_before_a_suspect_is_a_row_once_three_probes_have_failed(world: World) -> None:
    world.append("a", "bad", answers=[500] * 50)
    world.append("a", "behind it")
    crash(entry(world, "behind it"))
    break_down(world)
    probed = []
    for _ in range(3):
        Health.objects.filter(destination=world.destination).update(probe_at=timezone.now())
        shift(world)
        probed.append((world.health().probes_failed, states()["behind it"], len(world.rows(state="failed"))))
    assert probed == [(1, "open", 0), (2, "open", 0), (3, "cleared", 1)]


@pytest.mark.parametrize("error", [LeaseLost("late"), psycopg2.OperationalError("gone"), DatabaseError("gone")])
def test_an_examination_that_an_error_ends_lets_another_probe_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def ends(*_: object) -> bool:
        raise error

    monkeypatch.setattr(Examination, "survives", ends)
    world.append("a", "m0")
    crash(entry(world, "m0"))
    break_down(world)

    shift(world)

    found = world.health()
    assert (found.breaker, found.probes_failed) == ("open", 0)
    assert found.probe_at is not None
    assert (found.probe_at - timezone.now()).total_seconds() < health.PROBE_SECONDS / 2


def test_an_examination_leaves_the_probe_of_another_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.append("a", "m0")
    crash(entry(world, "m0"))
    break_down(world)
    start_probe = health.start_probe

    def late(raw: Connection, destination_id: int) -> Probe | None:
        """Another process was faster."""
        assert start_probe(raw, destination_id)
        return start_probe(raw, destination_id)

    monkeypatch.setattr(health, "start_probe", late)
    shift(world)

    assert (world.health().breaker, world.sink.ids(), states()) == ("half_open", [], {"m0": "open"})


def test_no_claim_has_a_lane_twice_that_others_may_have_gone_on_with(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its last checkpoint says of the lane is old then, and is believed as long as it has it."""
    world.append("a", "m0", "m1")
    crash(entry(world, "m0"))
    release, take_suspect = lanes.release, lanes.take_suspect
    taken = list[tuple[int, int]]()  # claims and lanes

    def noted(raw: Connection, token: int, *values: Any) -> Suspect | None:
        if suspect := take_suspect(raw, token, *values):
            taken.append((token, suspect.lane.id))
        return suspect

    def others_go_on(raw: Connection, token: int, released: list[ClaimedLane]) -> bool:
        monkeypatch.setattr(lanes, "release", release)
        done = release(raw, token, released)
        run_once(world.destination)
        crash(entry(world, "m1"))
        return done

    monkeypatch.setattr(lanes, "release", others_go_on)
    monkeypatch.setattr(lanes, "take_suspect", noted)
    shift(world)

    assert (world.sink.ids(), states()) == (["m0", "m1"], {"m0": "cleared", "m1": "cleared"})
    assert len(set(taken)) == len(taken) == 2


def test_an_event_that_is_refused_in_a_probe_ends_it_as_any_other_failure_does(world: World) -> None:
    world.append("a", "refused", answers=[401] * 9)
    world.append("a", "behind it")
    crash(entry(world, "behind it"))
    break_down(world)
    Health.objects.filter(destination=world.destination).update(probes_failed=2)

    shift(world)

    assert world.sink.ids() == ["refused"]
