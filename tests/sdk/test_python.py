"""rudder-sdk-python and segment-analytics-python."""

from collections.abc import Iterator
from typing import Any

import pytest
from rudderstack.analytics.client import Client as RudderClient  # type: ignore[import-untyped]
from segment.analytics.client import Client as SegmentClient  # type: ignore[import-untyped]

from tests.e2e.sink import Sink
from tests.e2e.stack import WRITE_KEY, Stack
from tests.sdk import calls

pytestmark = pytest.mark.slow
# The order of the SDK's own parameters.
PARAMETERS = {
    "identify": ("userId", "traits"),
    "group": ("userId", "groupId", "traits"),
    "page": ("userId", "category", "name", "properties"),
    "screen": ("userId", "category", "name", "properties"),
    "alias": ("previousId", "userId"),
    "track": ("userId", "event", "properties"),
}


@pytest.fixture(params=[RudderClient, SegmentClient], ids=["rudderstack", "segment"])
def client(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Any]:
    found = request.param(WRITE_KEY, host=f"http://127.0.0.1:{stack.web_port}")
    yield found
    found.join()


def send(client: Any, kind: str, message: dict[str, Any]) -> None:
    accepted, _ = getattr(client, kind)(*(message[name] for name in PARAMETERS[kind]))
    assert accepted


def assert_all_arrived(sink: Sink) -> None:
    sink.wait(calls.COUNT)
    assert len(sink.deliveries) == calls.COUNT
    assert {
        user: [calls.arrived(event) for event in events] for user, events in sink.by_user().items()
    } == calls.expected()
    assert {delivered.body["context"]["library"]["name"] for delivered in sink.deliveries} == {"analytics-python"}


def test_every_call_arrives_once_and_in_order_with_its_content(client: Any, sink: Sink) -> None:
    for round_ in calls.rounds():
        for kind, message in round_:
            send(client, kind, message)
    client.flush()

    assert_all_arrived(sink)


def test_nothing_is_lost_while_the_server_is_away(client: Any, stack: Stack, sink: Sink) -> None:
    everything = list(calls.rounds())
    for number, round_ in enumerate(everything):
        if number == len(everything) // 3:
            client.flush()
            stack.kill("web")
        for kind, message in round_:
            send(client, kind, message)
    stack.start("web")
    client.flush()

    assert_all_arrived(sink)


def test_a_message_sent_twice_is_delivered_once(client: Any, sink: Sink) -> None:
    for message_id in ("m1", "m1", "m2"):
        client.track("ada", "Paid", message_id=message_id)
        client.flush()

    sink.wait(2)
    assert sink.message_ids() == ["m1", "m2"]
