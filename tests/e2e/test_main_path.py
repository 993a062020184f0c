"""From a request to the destination, through every process."""

import json
import re
import time

import pytest

from alerts import modes
from tests.e2e import http
from tests.e2e.sink import Sink
from tests.e2e.stack import WRITE_KEY, Stack
from tests.stack.harness import eventually

pytestmark = pytest.mark.slow
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_an_event_arrives_with_the_fields_that_acceptance_adds(stack: Stack, sink: Sink) -> None:
    sent = {
        "userId": 7,
        "anonymousId": "a-1",
        "event": "Signed Up",
        "properties": {"plan": "gröss", "cents": 12345678901234567890},
        "originalTimestamp": "2026-11-24T10:00:00.000Z",
        "sentAt": "2026-11-24T10:00:05.000Z",
    }

    answer = stack.post("/v1/track", sent)

    assert (answer.status, answer.body) == (200, "OK")
    (delivered,) = sink.wait(1)
    assert (delivered.method, delivered.path) == ("POST", "/hook")
    assert delivered.headers["content-type"] == "application/json"
    event = delivered.body
    added = {name: event.pop(name) for name in ("messageId", "receivedAt", "timestamp", "rudderId", "request_ip")}
    assert event == sent | {"userId": "7", "type": "track"}
    assert UUID.fullmatch(added["messageId"])
    assert MOMENT.fullmatch(added["receivedAt"])
    assert MOMENT.fullmatch(added["timestamp"])
    assert added["timestamp"] < added["receivedAt"]  # five seconds earlier, by the client's own clock
    assert added["rudderId"] == "15391894-5f71-431b-af7d-66dc2b279b4a"
    assert added["request_ip"] == "127.0.0.1"


def test_degraded_mode_accepts_forwards_nothing_and_is_told_by_health(stack: Stack, sink: Sink) -> None:
    def told() -> tuple[str, str]:
        health = json.loads(http.ask(stack.web_port, "GET", "/health").body)
        return health["mode"], health["routingEvents"]

    assert modes.set_mode("degraded", "a test", "pytest")
    assert eventually(lambda: told() == ("DEGRADED", "FALSE"))

    assert stack.post("/v1/track", {"userId": "u", "event": "kept"}).status == 200
    assert modes.set_mode("normal", "a test", "pytest")

    (delivered,) = sink.wait(1)
    assert delivered.body["event"] == "kept"
    assert eventually(lambda: told() == ("NORMAL", "TRUE"))


def test_a_batch_arrives_in_order_for_each_user(stack: Stack, sink: Sink) -> None:
    events = [
        {
            "type": "track",
            "event": "n",
            "userId": f"u{number % 3}",
            "messageId": f"m{number}",
            "properties": {"n": number},
        }
        for number in range(120)
    ]

    for start in range(0, 120, 40):
        assert stack.post("/v1/batch", {"batch": events[start : start + 40]}).status == 200

    sink.wait(120)
    assert len(sink.deliveries) == 120
    numbers = {user: [event["properties"]["n"] for event in found] for user, found in sink.by_user().items()}
    assert numbers == {f"u{user}": list(range(user, 120, 3)) for user in range(3)}


def test_a_message_id_that_came_before_is_delivered_once(stack: Stack, sink: Sink) -> None:
    first, last = ({"userId": "u", "event": "e", "messageId": message_id} for message_id in ("m1", "m2"))

    assert [stack.post("/v1/track", event).status for event in (first, first, last)] == [200, 200, 200]

    sink.wait(2)
    assert sink.message_ids() == ["m1", "m2"]


def test_the_good_events_of_a_batch_are_delivered_and_the_bad_ones_named(stack: Stack, sink: Sink) -> None:
    good, bad = ({"type": "track", "event": "e", "messageId": message_id} for message_id in ("good", "bad"))

    answer = stack.post("/v1/batch", {"batch": [bad, good | {"userId": "u"}]})

    reason = "request neither has anonymousId nor userId"
    assert answer.status == 200
    assert answer.json() == {"accepted": 1, "rejected": [{"index": 0, "messageId": "bad", "reason": reason}]}
    sink.wait(1)
    assert sink.message_ids() == ["good"]


def test_a_change_is_in_force_in_every_process_after_two_seconds(stack: Stack, sink: Sink) -> None:
    assert stack.post("/v1/track", {"userId": "u", "event": "before"}).status == 200
    sink.wait(1)
    config = {"webhookUrl": sink.url + "/new", "headers": [{"from": "X-Token", "to": "abc"}]}

    stack.apply(
        sources=[{"name": "web", "write_key": WRITE_KEY}, {"name": "late", "write_key": "late"}],
        destinations=[{"name": "hook", "type": "webhook", "config": config, "sources": ["web", "late"]}],
    )
    time.sleep(2)

    assert stack.post("/v1/track", {"userId": "u", "event": "after"}).status == 200
    assert http.post(stack.web_port, "/v1/track", {"userId": "v", "event": "late"}, "late").status == 200
    assert {(d.path, d.headers["x-token"], d.body["event"]) for d in sink.wait(3)[1:]} == {
        ("/hook/new", "abc", "after"),
        ("/hook/new", "abc", "late"),
    }
    stack.apply(sources=[{"name": "web", "enabled": False}])
    time.sleep(2)
    refused = stack.post("/v1/track", {"userId": "u", "event": "off"})
    assert (refused.status, refused.body) == (404, "source is disabled")


def test_the_inbox_shows_what_was_delivered_to_it(stack: Stack) -> None:
    url = f"http://127.0.0.1:{stack.web_port}/inbox/deliver/inbox"
    stack.apply(
        sources=[{"name": "web", "write_key": WRITE_KEY}],
        destinations=[{"name": "inbox", "type": "inbox", "config": {"url": url}, "sources": ["web"]}],
    )
    time.sleep(2)

    assert stack.post("/v1/track", {"userId": "ada", "event": "Signed Up", "messageId": "m1"}).status == 200

    def shown() -> list[tuple[str, str, str]]:
        deliveries = json.loads(http.ask(stack.web_port, "GET", "/inbox.json").body)["deliveries"]
        return [(d["destination"], d["body"]["event"], d["body"]["messageId"]) for d in deliveries]

    assert eventually(shown) == [("inbox", "Signed Up", "m1")]
    page = http.ask(stack.web_port, "GET", "/inbox/")
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
