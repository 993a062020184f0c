"""PostgreSQL and Valkey away: the right answers meanwhile, and recovery without anybody's help."""

import json

import pytest

from tests.e2e import http
from tests.e2e.load import sending
from tests.e2e.services import Services
from tests.e2e.sink import Sink
from tests.e2e.stack import Stack
from tests.stack.harness import eventually

pytestmark = pytest.mark.slow


def event(message_id: str) -> dict[str, str]:
    return {"userId": "u", "event": "e", "messageId": message_id}


def test_without_the_broker_events_are_accepted_and_delivered_once_it_is_back(
    mortal_stack: Stack, services: Services, sink: Sink
) -> None:
    with services.away("valkey"):
        answers = [mortal_stack.post("/v1/track", event(f"m{number}")) for number in range(20)]
        assert [(answer.status, answer.body) for answer in answers] == [(200, "OK")] * 20

    sink.wait(20)
    assert sink.message_ids() == [f"m{number}" for number in range(20)]


def test_without_the_database_events_are_refused_with_503_until_it_is_back(
    mortal_stack: Stack, services: Services, sink: Sink
) -> None:
    assert mortal_stack.post("/v1/track", event("before")).status == 200
    sink.wait(1)

    with services.away("postgres"):
        for _ in range(3):
            refused = mortal_stack.post("/v1/track", event("during"))
            assert (refused.status, refused.body) == (503, "service unavailable")
            assert refused.headers["retry-after"] == "15"
            assert refused.headers["access-control-expose-headers"] == "Retry-After"
        assert eventually(lambda: http.ask(mortal_stack.web_port, "GET", "/ready").status == 503)
        health = http.ask(mortal_stack.web_port, "GET", "/health")
        assert health.status == 200
        assert json.loads(health.body)["db"] == "DOWN"

    assert eventually(lambda: mortal_stack.post("/v1/track", event("after")).status == 200)
    sink.wait(2)
    # What was sent just before may come again: it was not checkpointed.
    assert list(dict.fromkeys(sink.message_ids())) == ["before", "after"]
    assert eventually(mortal_stack.is_ready)


def test_nothing_answered_200_is_lost_when_the_database_is_killed_under_load(
    mortal_stack: Stack, services: Services, sink: Sink
) -> None:
    with sending(mortal_stack, 8) as load:
        for _ in range(2):
            load.wait(100)
            with services.away("postgres"):
                pass
        load.wait(100)

    sink.wait(load.count)
    arrived = {user: [event["properties"]["n"] for event in events] for user, events in sink.by_user().items()}
    assert arrived == load.accepted


def test_nothing_answered_200_is_lost_when_the_broker_is_killed_under_load(
    mortal_stack: Stack, services: Services, sink: Sink
) -> None:
    with sending(mortal_stack, 8) as load:
        for _ in range(2):
            load.wait(100)
            with services.away("valkey"):
                load.wait(100)
        load.wait(100)

    sink.wait(load.count)
    arrived = {user: [event["properties"]["n"] for event in events] for user, events in sink.by_user().items()}
    assert arrived == load.accepted
    assert len(sink.deliveries) == load.count
