"""Processes killed under load: what was answered 200 arrives, in order."""

from collections.abc import Iterator

import pytest

from tests.e2e.load import Load, sending
from tests.e2e.services import Services
from tests.e2e.sink import Sink, recording
from tests.e2e.stack import Stack, running

pytestmark = pytest.mark.slow
USERS = 12
# What one link may have sent since its last checkpoint: 200 settled and 64 in flight; two links share a destination.
UNCHECKPOINTED = 2 * (200 + 64)


@pytest.fixture(scope="module")
def destination() -> Iterator[Sink]:
    with recording() as found:
        yield found


@pytest.fixture(scope="module")
def processes(services: Services, destination: Sink, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Recovery is off: these tests kill more than it stands by, and what it does is seen in tests of its own."""
    with running(services.environ | {"RECOVERY_ENABLED": "0"}, tmp_path_factory.mktemp("stack")) as found:
        found.connect(destination.url)
        yield found


@pytest.fixture
def stack(processes: Stack) -> Stack:
    """Everything running, one source and one webhook destination that is the sink."""
    processes.start_missing()
    return processes


@pytest.fixture
def sink(destination: Sink) -> Sink:
    """As if nothing had arrived before this test."""
    destination.forget()
    return destination


def assert_all_arrive_in_order(load: Load, sink: Sink) -> None:
    sink.wait(load.count)
    arrived = {user: [event["properties"]["n"] for event in events] for user, events in sink.by_user().items()}
    assert arrived == load.accepted


def test_everything_answered_200_arrives_once_though_web_is_killed(stack: Stack, sink: Sink) -> None:
    with sending(stack, USERS) as load:
        for _ in range(3):
            load.wait(100)
            stack.kill("web")
            stack.start("web")
        load.wait(100)

    assert_all_arrive_in_order(load, sink)
    assert len(sink.deliveries) == load.count


def test_web_that_is_stopped_in_order_finishes_what_it_has_begun(stack: Stack, sink: Sink) -> None:
    with sending(stack, USERS) as load:
        load.wait(100)
        assert stack.stop("web") == 0
        stack.start("web")
        load.wait(100)

    assert_all_arrive_in_order(load, sink)
    assert len(sink.deliveries) == load.count


def test_order_and_completeness_survive_a_killed_forwarding_worker(stack: Stack, sink: Sink) -> None:
    with sending(stack, USERS) as load:
        for _ in range(2):
            load.wait(100)
            stack.kill("forward")
            load.wait(50)
            stack.start("forward")
        load.wait(100)

    assert_all_arrive_in_order(load, sink)
    assert len(sink.deliveries) - load.count <= 2 * UNCHECKPOINTED


def test_order_and_completeness_survive_killed_pool_processes(stack: Stack, sink: Sink) -> None:
    with sending(stack, USERS) as load:
        for _ in range(3):
            load.wait(100)
            for child in stack.children("forward"):
                child.kill()
        load.wait(100)

    assert_all_arrive_in_order(load, sink)
    assert len(sink.deliveries) - load.count <= 3 * UNCHECKPOINTED


def test_events_are_delivered_without_beat(stack: Stack, sink: Sink) -> None:
    stack.kill("beat")

    assert stack.post("/v1/track", {"userId": "u", "event": "e", "messageId": "m1"}).status == 200

    sink.wait(1)
    assert sink.message_ids() == ["m1"]


def test_a_stopped_worker_leaves_nothing_to_repeat(stack: Stack, sink: Sink) -> None:
    with sending(stack, USERS) as load:
        load.wait(100)
        assert stack.stop("forward") == 0
        load.wait(50)
        stack.start("forward")

    assert_all_arrive_in_order(load, sink)
    assert len(sink.deliveries) == load.count
