"""A worker whose processes all have a link: whoever is rung then is found in the queue, and served beside them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from destinations import doorbell
from destinations.oracle.script import HANG
from destinations.oracle.sink import Sink
from rudderproj.celery import FORWARD_QUEUE
from tests.concurrency.celery_workers import Worker
from tests.forwarding.workers import eventually
from tests.forwarding.world import make_world
from tests.services import ROOT

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("committed")]

PROCESSES = 3  # of a Worker


@pytest.fixture(autouse=True)
def rung_once(broker: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a sweep nor a second ring is to find what one ring should have led to."""
    broker.set(doorbell.SWEPT, 1)
    monkeypatch.setattr(doorbell.Bell, "press", lambda *_: None)


def ring_for(sink: Sink, name: str) -> None:
    """One event of a destination of its own, and one ring for it."""
    world = make_world(sink, name)
    world.append("u", name)
    doorbell.call(world.destination.pk)


@pytest.fixture
def worker(process_env: dict[str, str], broker: Redis, tmp_path: Path) -> Iterator[Worker]:
    env = process_env | {"FORWARD_TIMEOUT_SECONDS": "300", "FORWARD_CLAIM_SECONDS": "480", "LOG_LEVEL": "WARNING"}
    started = Worker("forward", env, tmp_path / "worker.log")
    started.start()
    yield started
    started.stop()


def test_a_ring_is_not_kept_by_a_worker_whose_processes_all_have_a_link(worker: Worker, broker: Redis) -> None:
    with Sink() as hanging, Sink() as well:
        hanging.everyone = HANG
        for number in range(PROCESSES):
            ring_for(hanging, f"hanging {number}")
        assert hanging.wait_for(lambda sink: len(sink.arrivals) == PROCESSES)
        for number in range(2 * PROCESSES):
            ring_for(well, f"served {number}")
        assert well.wait_for(lambda sink: len(sink.arrivals) == 2 * PROCESSES)

        assert hanging.in_flight == PROCESSES
        assert eventually(lambda: not broker.llen(FORWARD_QUEUE))
        hanging.refuse_connections()


def test_a_worker_that_was_told_to_have_fewer_processes_takes_no_more_rings_than_these_serve(
    worker: Worker,
) -> None:
    command = [sys.executable, "-m", "celery", "-A", "rudderproj", "control", "--timeout", "5", "autoscale", "1", "1"]
    assert eventually(lambda: not subprocess.run(command, cwd=ROOT, env=worker.env, capture_output=True).returncode)
    with Sink() as hanging, Sink() as well:
        hanging.everyone = HANG
        ring_for(hanging, "hanging")
        assert hanging.wait_for(lambda sink: len(sink.arrivals) == 1)
        for number in range(PROCESSES - 1):
            ring_for(well, f"served {number}")
        assert well.wait_for(lambda sink: len(sink.arrivals) == PROCESSES - 1)

        assert (hanging.in_flight, len(worker.children())) == (1, 1)
        hanging.refuse_connections()
