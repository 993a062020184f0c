"""Real requests and deliveries, and what is scraped from the processes that saw them."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e import http
from tests.e2e.services import Services
from tests.e2e.sink import Sink, recording
from tests.e2e.stack import Stack, running
from tests.metrics.scrape import scrape, value
from tests.stack.harness import eventually, free_port

pytestmark = pytest.mark.slow


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def sink() -> Iterator[Sink]:
    with recording() as found:
        yield found


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    found = Services(tmp_path_factory.mktemp("services"))
    yield found
    found.close()


@pytest.fixture
def stack(process_env: dict[str, str], tmp_path: Path, sink: Sink, port: int) -> Iterator[Stack]:
    with running(process_env | {"METRICS_OPEN": "1", "METRICS_PORT": str(port)}, tmp_path) as found:
        found.connect(sink.url)
        yield found


def track(stack: Stack, message_id: str) -> None:
    assert stack.post("/v1/track", {"userId": "u", "event": "x", "messageId": message_id}).status == 200


def attempts(port: int) -> float | None:
    """What the forwarding worker counted; None while nobody serves its port."""
    try:
        return value(scrape(port + 1), "rudderproj_attempts_total", "hook", "delivered")
    except OSError:
        return None


def test_what_was_accepted_and_delivered_is_told_by_web_and_worker(stack: Stack, sink: Sink, port: int) -> None:
    for message_id in ("a", "b", "c", "a"):
        track(stack, message_id)
    batch = {"batch": [{"type": "track", "userId": "u", "event": "x", "messageId": "d"}, {"type": "nonsense"}]}
    assert stack.post("/v1/batch/", batch).status == 200
    assert http.post(stack.web_port, "/v1/track", {"userId": "u", "event": "x"}, "unknown").status == 401
    sink.wait(4)

    own = scrape(stack.web_port)
    assert value(own, "rudderproj_request_seconds_count", "event", "200") == 4
    assert value(own, "rudderproj_request_seconds_count", "event", "401") == 1
    assert value(own, "rudderproj_request_seconds_count", "batch", "200") == 1
    counted = {
        name: value(own, "rudderproj_ingested_events_total", name) for name in ("accepted", "duplicate", "rejected")
    }
    assert counted == {"accepted": 4, "duplicate": 1, "rejected": 1}
    eventually(lambda: attempts(port) == 4)

    def delivered() -> bool:
        return value(scrape(stack.web_port), "rudderproj_delivered_events_total", "web", "hook") == 4

    eventually(delivered)
    found = scrape(port)  # the web process's own port tells the same
    assert value(found, "rudderproj_accepted_events_total", "web", "hook") == 4
    assert value(found, "rudderproj_difference_events", "web", "hook") == 0
    assert value(found, "rudderproj_log_events_total", "web") == 4
    assert value(found, "rudderproj_processes", "forward") == 1
    assert value(found, "rudderproj_database_up") == 1
    assert (
        value(scrape(port + 2), "rudderproj_attempts_total", "hook", "delivered") == 0
    )  # the alerts worker sends nothing


def test_what_a_child_counted_outlives_it_and_is_counted_once(stack: Stack, sink: Sink, port: int) -> None:
    for number in range(20):
        track(stack, f"a{number}")
    sink.wait(20)
    eventually(lambda: attempts(port) == 20)
    # In a checkpoint, too: what is not would be sent, and counted, once more.
    eventually(lambda: value(scrape(stack.web_port), "rudderproj_delivered_events_total", "web", "hook") == 20)
    killed = stack.children("forward")
    for child in killed:
        os.kill(child.pid, signal.SIGKILL)
    psutil.wait_procs(killed, 30)

    for number in range(10):
        track(stack, f"b{number}")
    sink.wait(30)

    eventually(lambda: attempts(port) == 30)
    assert {child.pid for child in stack.children("forward")}.isdisjoint(child.pid for child in killed)


def test_a_worker_that_was_killed_serves_its_port_again(stack: Stack, sink: Sink, port: int) -> None:
    eventually(lambda: attempts(port) is not None)
    orphans = stack.children("forward")
    process = psutil.Process(stack.pid("forward"))
    process.kill()
    process.wait(30)
    try:
        stack.start("forward")  # while children of the one before are still there
        track(stack, "a")
        sink.wait(1)
        eventually(lambda: attempts(port) == 1)
    finally:
        for child in orphans:
            if child.is_running():
                child.kill()


def test_without_the_database_a_process_still_tells_what_it_counted(
    services: Services, tmp_path: Path, sink: Sink, port: int
) -> None:
    with running(services.environ | {"METRICS_OPEN": "1"}, tmp_path, "web") as stack:
        stack.connect(sink.url)
        track(stack, "a")
        assert value(scrape(stack.web_port), "rudderproj_database_up") == 1
        with services.away("postgres"):
            assert stack.post("/v1/track", {"userId": "u", "event": "x"}).status == 503

            def told() -> bool:
                return value(scrape(stack.web_port), "rudderproj_database_errors_total", "log") >= 1

            assert told()
            eventually(lambda: value(scrape(stack.web_port), "rudderproj_database_up") == 0)
            found = scrape(stack.web_port)
            assert value(found, "rudderproj_ingested_events_total", "accepted") == 1
            assert not [name for name, _ in found if name == "rudderproj_log_bytes"]
        eventually(lambda: value(scrape(stack.web_port), "rudderproj_database_up") == 1)
