"""Replays and test events by the API: previewed, started, watched, paused, cancelled; sent by real links."""

from typing import Any

import pytest

from destinations import trial
from destinations.models import Delivery, ReplayAction
from tests.api.conftest import Api
from tests.forwarding.conftest import sink
from tests.forwarding.workers import eventually, forwarding
from tests.forwarding.world import World, make_world

__all__ = ["sink"]


@pytest.fixture
def world(api: Api, sink: Any) -> World:
    """Two delivered events, and a dead letter whose destination has come to its senses."""
    made = make_world(sink)
    made.append("u", "u0")
    made.append("v", "v0")
    made.append("w", "bad", answers=[400, 200])
    with forwarding([made.destination]):
        assert eventually(made.is_settled)
    return made


def test_a_range_of_the_log_is_sent_again(api: Api, world: World) -> None:
    wanted = {"destination": world.destination.pk, "user_key": "u"}
    assert api.post("replays/preview", wanted)[0] == 200
    assert not ReplayAction.objects.exists()
    status, made = api.post("replays", wanted | {"rate": 100, "since": "2020-01-01T00:00:00Z"})
    assert (status, made["state"], made["origin"], made["user_key"]) == (201, "running", "log", "u")
    assert made["created_by"].startswith("token ")
    with forwarding([world.destination]):
        assert eventually(lambda: world.sink.ids().count("u0") == 2)
        assert eventually(lambda: api.get(f"replays/{made['id']}")["delivered"] == 1)
    assert world.sink.ids().count("v0") == 1


def test_a_dead_letter_is_sent_again(api: Api, world: World) -> None:
    (letter,) = api.get("dead-letters")["items"]
    wanted = {"destination": world.destination.pk, "origin": "dead_letters", "delivery_ids": [letter["id"]]}
    assert api.post("replays/preview", wanted)[1] == {"events": 1, "is_exact": True}
    status, made = api.post("replays", wanted)
    assert (status, made["picked"]) == (201, 1)
    with forwarding([world.destination]):
        assert eventually(lambda: world.sink.ids().count("bad") == 2)
        assert eventually(lambda: not api.get("dead-letters")["items"])


def test_what_a_replay_could_not_deliver_is_listed_apart(api: Api, world: World) -> None:
    world.append("x", "x0", answers=[200, 404])
    with forwarding([world.destination]):
        assert eventually(world.is_settled)
    _, made = api.post("replays", {"destination": world.destination.pk, "user_key": "x"})
    with forwarding([world.destination]):
        assert eventually(lambda: api.get(f"replays/{made['id']}")["aborted"] == 1)
    (row,) = api.get("deliveries", replay=made["id"])["items"]
    assert (row["message_id"], row["state"], row["replay"]) == ("x0", "aborted", made["id"])
    assert [row["message_id"] for row in api.get("deliveries")["items"]] == ["bad"]
    assert [row["message_id"] for row in api.get("dead-letters")["items"]] == ["bad"]


def test_a_replay_is_paused_resumed_and_cancelled_by_whom(api: Api, world: World) -> None:
    _, made = api.post("replays", {"destination": world.destination.pk})
    path = f"replays/{made['id']}"
    assert api.post(f"{path}/resume", {})[0] == 409
    assert api.post(f"{path}/pause", {})[1]["state"] == "paused"
    assert api.post(f"{path}/resume", {})[1]["state"] == "running"
    status, ended = api.post(f"{path}/cancel", {})
    assert (status, ended["state"]) == (200, "cancelled")
    assert [action["action"] for action in ended["actions"]] == ["create", "pause", "resume", "cancel"]
    status, body = api.post(f"{path}/cancel", {})
    assert (status, body["detail"]) == (409, "the replay is cancelled: it cannot be cancelled")
    assert [row["id"] for row in api.get("replays", destination=world.destination.pk)["items"]] == [made["id"]]
    assert api.get("replays", destination=0)["items"] == []


def test_a_test_event_is_sent_and_its_answer_shown(api: Api, world: World) -> None:
    path = f"destinations/{world.destination.pk}/test-events"
    status, asked = api.post(path, {})
    assert (status, asked["finished_at"], asked["outcome"]) == (202, None, "")
    trial.run(asked["id"])
    found = api.get(f"{path}/{asked['id']}")
    assert (found["outcome"], found["response"]["status"]) == ("delivered", 200)
    assert [row["id"] for row in api.get(path)["items"]] == [asked["id"]]
    assert api.call("GET", f"{path}/0")[0] == api.post("destinations/0/test-events", {})[0] == 404


def test_replays_are_walked_by_cursors(api: Api, world: World) -> None:
    ids = [api.post("replays", {"destination": world.destination.pk})[1]["id"] for _ in range(3)]
    first = api.get("replays", limit=2)
    last = api.get("replays", limit=2, cursor=first["next"])
    assert [row["id"] for page in (first, last) for row in page["items"]] == ids[::-1]
    assert last["next"] is None


@pytest.mark.parametrize(
    ("wanted", "status", "detail"),
    [
        ({"destination": 0}, 400, "destination"),
        ({"destination": 10**6}, 404, "there is no such destination"),
        ({"source": 10**6}, 404, "there is no such source"),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, 400, "since must be before until"),
        ({"reason": "HTTP 400"}, 400, "only dead letters"),
        ({"message_ids": ["nowhere"]}, 400, "not there"),
        ({"origin": "dead_letters", "reason": "no such reason"}, 409, "nothing to replay"),
        ({"tempo": 5}, 400, "tempo"),
    ],
)
def test_what_cannot_be_replayed_is_said_so(
    api: Api, world: World, wanted: dict[str, Any], status: int, detail: str
) -> None:
    found, body = api.post("replays", {"destination": world.destination.pk} | wanted)
    assert found == status, body
    assert detail in body["detail"]
    assert not ReplayAction.objects.exists()
    assert Delivery.objects.filter(replay__gt=0).count() == 0
