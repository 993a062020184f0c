"""@rudderstack/rudder-sdk-node and @segment/analytics-node."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sink import Sink
from tests.e2e.stack import WRITE_KEY, Stack
from tests.sdk import calls

pytestmark = pytest.mark.slow
# The script that uses an SDK, and how that SDK names itself.
LIBRARIES = {"send.js": "analytics-node", "send-segment.js": "@segment/analytics-node"}


def send(script: str, folder: Path, stack: Stack, rounds: list[Any]) -> None:
    plan = {"url": f"http://127.0.0.1:{stack.web_port}", "writeKey": WRITE_KEY, "rounds": rounds}
    done = subprocess.run(
        ["node", script],
        cwd=folder,
        input=json.dumps(plan),
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("script", LIBRARIES)
def test_every_call_arrives_once_and_in_order_with_its_content(
    stack: Stack, sink: Sink, node_sdk: Path, script: str
) -> None:
    send(script, node_sdk, stack, list(calls.rounds()))

    sink.wait(calls.COUNT)
    assert len(sink.deliveries) == calls.COUNT
    assert {
        user: [calls.arrived(event) for event in events] for user, events in sink.by_user().items()
    } == calls.expected()
    assert {delivered.body["context"]["library"]["name"] for delivered in sink.deliveries} == {LIBRARIES[script]}


@pytest.mark.parametrize("script", LIBRARIES)
def test_a_message_sent_twice_is_delivered_once(stack: Stack, sink: Sink, node_sdk: Path, script: str) -> None:
    call = ["track", {"userId": "ada", "event": "Paid", "messageId": "m1"}]

    send(script, node_sdk, stack, [[call], [call], [["track", {"userId": "ada", "event": "Left", "messageId": "m2"}]]])

    sink.wait(2)
    assert sink.message_ids() == ["m1", "m2"]
