"""Replays under kill -9: real workers, live traffic for the same users beside them, and dead letters that come back."""

import random
from typing import Any

import pytest

from destinations.models import Replay
from destinations.oracle.sink import Sink
from destinations.replay.progress import progress
from tests.concurrency.celery_workers import Worker
from tests.concurrency.test_worker_kills import UNCHECKPOINTED, sink, workers
from tests.forwarding.workers import eventually
from tests.forwarding.world import World, make_world
from tests.replay.replays import DEAD_LETTERS, start

__all__ = ["sink", "workers"]

pytestmark = pytest.mark.slow

USERS, EACH = 40, 30
FAILS_AT_FIRST: list[Any] = [200, 503, 200]  # the replay's first try fails


def accept(world: World) -> list[str]:
    """Events of many users, some of which become dead letters; the names of these."""
    dead = []
    for number in range(EACH):
        for user in range(USERS):
            name = f"u{user}-{number}"
            chance = (user * 7 + number * 13) % 20
            answers = [400, 200] if chance == 0 else FAILS_AT_FIRST if chance == 1 else []
            world.append(f"u{user}", name, answers=answers)
            dead += [name] if chance == 0 else []
    return dead


def is_over(replay: Replay) -> bool:
    return Replay.objects.get(pk=replay.pk).state == Replay.State.FINISHED


def first_arrivals(names: list[str], wanted: set[str]) -> list[str]:
    """The wanted ones in the order of their first arrival."""
    return list(dict.fromkeys(name for name in names if name in wanted))


def test_a_replay_beside_live_traffic_survives_any_kill(sink: Sink, workers: list[Worker]) -> None:
    world, chance = make_world(sink), random.Random(20261124)
    dead = accept(world)
    assert eventually(world.is_settled, 120), world.balance()
    assert world.balance()["aborted"] == len(dead)
    before = len(sink.arrivals)
    order = {user: list(names) for user, names in world.accepted.items()}

    letters, log = start(world, origin=DEAD_LETTERS), start(world, rate=300)
    number = 0
    while not is_over(letters) or not is_over(log):
        for user in range(USERS):
            world.append(f"u{user}", f"u{user}-live-{number}")
        number += 1
        worker = chance.choice(workers)
        if chance.random() < 0.3:
            worker.kill()
            worker.start()
        else:
            worker.kill_child(chance)
        arrived = len(sink.arrivals)
        sink.wait_for(lambda s, arrived=arrived: len(s.arrivals) > arrived + 200, 5)  # type: ignore[misc]
        assert world.balance()["difference"] == 0
        assert number < 100, (progress(letters.pk), progress(log.pk))
    assert eventually(world.is_settled, 120), world.balance()

    terms = world.balance()
    assert (terms["aborted"], terms["dead_letters"], terms["difference"]) == (0, 0, 0)
    assert terms["delivered"] == USERS * (EACH + number)
    assert 0 < progress(letters.pk)["delivered"] <= len(dead)  # those that the other one did not send before
    assert progress(log.pk)["delivered"] == USERS * EACH
    arrivals = [arrival.message_id for arrival in list(sink.arrivals)[before:]]
    live = world.report()
    assert not live.lost
    assert not live.out_of_order, "live events of a user came out of order"
    kills = sum(worker.kills for worker in workers)
    again = [name for name in arrivals if "live" not in name]
    failing = sum(len(sink.of(name)) > 2 for name in set(again))
    assert len(again) <= USERS * EACH + len(dead) + failing + kills * UNCHECKPOINTED
    for names in order.values():  # each replay keeps a user's order: what only the log's one sends tells
        assert first_arrivals(again, set(names) - set(dead)) == [name for name in names if name not in set(dead)]
