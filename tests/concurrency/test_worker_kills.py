"""Real workers, a real broker, a real socket, and kill -9 at random moments: order, no loss, bounded repeats.

There is no beat in these tests: the workers sweep by themselves.
"""

import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from destinations.oracle.sink import Sink
from ingest import log
from tests.concurrency.celery_workers import Worker
from tests.forwarding.workers import eventually
from tests.forwarding.world import World, make_world

pytestmark = pytest.mark.slow

# What one link may have sent since its last checkpoint: 200 settled and 64 in flight; two links share a destination.
UNCHECKPOINTED = 200 + 64
SCRIPTS: list[tuple[float, list[Any]]] = [
    (0.02, [500, 200]),
    (0.01, [503, 500, 200]),
    (0.01, [{"status": 429, "retry_after": "1"}, 200]),
    (0.01, ["reset", 200]),
    (0.003, ["hang", 200]),
    (0.01, [400]),
    (0.05, [{"delay_seconds": 0.05}]),
]


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as listening:
        yield listening


@pytest.fixture
def workers(process_env: dict[str, str], broker: Redis, tmp_path: Path) -> Iterator[list[Worker]]:
    env = process_env | {
        "RECOVERY_ENABLED": "0",  # so many kills would end in degraded mode
        "FORWARD_TIMEOUT_SECONDS": "3",  # a sink that a busy machine keeps waiting for longer gets events twice
        "FORWARD_CLAIM_SECONDS": "3",
        "FORWARD_BUDGET_SECONDS": "2",
        "RETRY_BASE_SECONDS": "0.1",
        "RETRY_MAX_SECONDS": "1",
        "LOG_LEVEL": "WARNING",
    }
    started = [Worker(f"forward{number}", env, tmp_path / f"worker{number}.log") for number in range(2)]
    for worker in started:
        worker.start()
    yield started
    for worker in started:
        worker.stop()


def answers(chance: random.Random) -> list[Any]:
    """A script: mostly 200 at once."""
    drawn = chance.random()
    for share, script in SCRIPTS:
        if drawn < share:
            return script
        drawn -= share
    return []


def produce(world: World, users: Sequence[str], each: int, seed: int, pause_seconds: float) -> None:
    """Store so many events of each user, in requests of one to five of one user."""
    chance, left = random.Random(seed), dict.fromkeys(users, each)
    while left:
        user = chance.choice(sorted(left))
        count = min(left[user], chance.randint(1, 5))
        done = each - left[user]
        events = [world.event(user, f"{user}-{done + n}", answers(chance)) for n in range(count)]
        log.append(events)
        world.accepted[user].extend(event.message_id for event in events)
        left[user] -= count
        if not left[user]:
            del left[user]
        time.sleep(pause_seconds)


def producing(world: World, pause_seconds: float) -> list[threading.Thread]:
    """Four producers, 200 users of 20 events and 4 busy users of 300, side by side."""
    threads = []
    for number in range(4):
        quiet = [f"user{number}-{n}" for n in range(50)]
        threads.append(threading.Thread(target=produce, args=[world, quiet, 20, number, pause_seconds]))
        threads.append(threading.Thread(target=produce, args=[world, [f"busy{number}"], 300, number, pause_seconds]))
    for thread in threads:
        thread.start()
    return threads


def assert_promise_kept(world: World, kills: int) -> None:
    """Everything once more: order, completeness, bounded repeats, conservation, dead letters as scripted."""
    assert eventually(world.is_settled, 180), world.balance()
    report = world.report()
    assert report.is_clean, report
    assert len(report.duplicates) <= kills * UNCHECKPOINTED
    scripted = {a.message_id for a in world.sink.arrivals if a.reply.status == 400}
    assert {row.message_id for row in world.rows(state="aborted")} == scripted
    terms = world.balance()
    assert (terms["difference"], terms["aborted"]) == (0, len(scripted))
    assert terms["delivered"] == report.accepted - len(scripted)


def test_order_and_completeness_survive_any_kill(sink: Sink, workers: list[Worker]) -> None:
    world, chance = make_world(sink), random.Random(20261124)
    threads = producing(world, pause_seconds=0.03)
    assert sink.wait_for(lambda s: len(s.arrivals) > 100, 60)
    while any(thread.is_alive() for thread in threads):
        worker = chance.choice(workers)
        if chance.random() < 0.3:
            worker.kill()
            worker.start()
        else:
            worker.kill_child(chance)
        arrived = len(sink.arrivals)
        sink.wait_for(lambda s, arrived=arrived: len(s.arrivals) > arrived + 150, 10)  # type: ignore[misc]
        assert world.balance()["difference"] == 0
    assert_promise_kept(world, sum(worker.kills for worker in workers))


def test_a_broker_that_loses_everything_costs_nothing(sink: Sink, workers: list[Worker], broker: Redis) -> None:
    world = make_world(sink)
    threads = producing(world, pause_seconds=0.01)
    for wanted in range(200, 1801, 400):
        assert sink.wait_for(lambda s, wanted=wanted: len(s.arrivals) > wanted, 60)  # type: ignore[misc]
        broker.flushdb()
    for thread in threads:
        thread.join()
    assert_promise_kept(world, kills=0)


def test_workers_stop_in_order_without_repeating_anything(sink: Sink, workers: list[Worker]) -> None:
    world = make_world(sink)
    threads = producing(world, pause_seconds=0.01)
    for wanted in (300, 900, 1500):
        assert sink.wait_for(lambda s, wanted=wanted: len(s.arrivals) > wanted, 60)  # type: ignore[misc]
        for worker in workers:
            assert worker.stop() in {0, -signal.SIGTERM}  # the latter: before it had come so far as to listen
            worker.start()
    for thread in threads:
        thread.join()
    assert_promise_kept(world, kills=0)
