"""Real Celery workers whose pool processes really die of what they are given."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from alerts import modes
from alerts.models import Crash
from destinations.oracle.sink import Sink
from tests.concurrency.celery_workers import Worker
from tests.forwarding.workers import eventually
from tests.forwarding.world import World, make_world

pytestmark = pytest.mark.slow


@pytest.fixture
def worker(process_env: dict[str, str], broker: Redis, tmp_path: Path) -> Iterator[Worker]:
    env = process_env | {"FORWARD_TIMEOUT_SECONDS": "2", "FORWARD_BUDGET_SECONDS": "2", "LOG_LEVEL": "WARNING"}
    started = Worker("deadly", env, tmp_path / "worker.log", app="tests.suspects.app")
    started.start()
    yield started
    started.stop()


def deadly(sink: Sink, name: str, users: int, death: str) -> World:
    """Users of three events; the second of user 7 kills."""
    world = make_world(sink, name)
    world.change(type="deadly")
    world.many(users, 1, name)
    world.append(f"{name}7", f"{name}7-poison", properties={"death": death})
    for number in (1, 2):
        for user in range(users):
            world.append(f"{name}{user}", f"{name}{user}-{number}")
    return world


def assert_only_the_poison_is_lost(world: World) -> None:
    poison = f"{world.destination.name}7-poison"
    assert eventually(world.is_settled, 120), world.balance()
    assert [row.message_id for row in world.rows(state="aborted")] == [poison]
    report = world.report([poison])
    assert report.is_clean, report
    assert (world.health().state, world.balance()["difference"]) == ("ok", 0)


def test_two_poison_events_among_hundreds_cost_themselves(committed: None, worker: Worker) -> None:
    with Sink() as one, Sink() as two:
        worlds = [deadly(one, "one", 200, "segfault"), deadly(two, "two", 20, "exit")]
        for world in worlds:
            assert_only_the_poison_is_lost(world)
    assert 4 <= Crash.objects.count() <= 6
    assert set(Crash.objects.values_list("explained", flat=True)) == {"event one7-poison", "event two7-poison"}
    assert modes.current().mode == "normal"


def test_plugins_that_kill_are_held_and_the_others_run_on(committed: None, worker: Worker) -> None:
    with Sink() as sink, Sink() as other:
        bad, unborn = make_world(sink, "bad", config={"death": "segfault"}), make_world(sink, "unborn")
        bad.change(type="deadly")
        unborn.change(type="stillborn")
        good = make_world(other, "good")
        for world in (bad, unborn, good):
            world.many(50, 2, world.destination.name)
        assert eventually(lambda: bad.health().state == unborn.health().state == "held", 120)
        good.many(50, 1, "late")
        assert eventually(good.is_settled, 60), good.balance()
        assert good.report().is_clean
        assert sink.ids() == []
    assert [row.state for row in bad.rows()] == ["aborted"]
    assert unborn.rows() == []
    assert modes.current().mode == "normal"
    assert eventually(lambda: not Crash.objects.filter(explained="").exists(), 30), list(Crash.objects.values())
