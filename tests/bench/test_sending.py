"""What the load generator sends."""

import json
from collections import Counter
from itertools import islice
from uuid import UUID

import pytest

from bench.events import event, request
from bench.users import sending


@pytest.mark.parametrize("size", [200, 1000, 32_768])
def test_an_event_is_as_large_as_it_was_asked_to_be(size: int) -> None:
    made = event("run-1", 7, 1.5, size)

    assert len(made) == size
    assert json.loads(made)["properties"]["number"] == 7


def test_an_event_is_never_smaller_than_what_it_has_to_say() -> None:
    assert json.loads(event("run-1", 7, 1.5, 1))["properties"] == {"number": 7, "due_at": 1.5}


def test_an_event_of_no_given_size_has_what_sdks_send() -> None:
    made = json.loads(event("run-1", 7, 1.5))

    assert made["context"]["page"]["path"] == "/checkout"
    assert made["originalTimestamp"] == made["sentAt"] == "1970-01-01T00:00:01.500Z"
    assert made["anonymousId"] == json.loads(event("run-1", 8, 2.5))["anonymousId"]


def test_each_event_has_an_id_of_its_own_wherever_it_is_made() -> None:
    ids = [UUID(json.loads(event(user, number, 1.5))["messageId"]) for user in ("u", "v") for number in range(100)]

    assert len(set(ids)) == 200
    assert ids[0] == UUID(json.loads(event("u", 0, 9.5))["messageId"])
    assert sorted(ids) != ids


def test_one_event_has_its_own_route_and_several_are_a_batch() -> None:
    one, two = (request("h", "key", [event("u", n, 0.0) for n in range(count)]) for count in (1, 2))

    assert one.startswith(b"POST /v1/track ")
    assert two.startswith(b"POST /v1/batch ")
    body = two.partition(b"\r\n\r\n")[2]
    assert [one["properties"]["number"] for one in json.loads(body)["batch"]] == [0, 1]
    assert b"Content-Length: %d\r\n" % len(body) in two


def test_without_skew_users_take_turns() -> None:
    assert list(islice(sending([3, 5, 7], 0.0, seed=1), 7)) == [3, 5, 7, 3, 5, 7, 3]


def test_with_skew_the_first_user_sends_as_much_more_as_zipf_says() -> None:
    sent = Counter(islice(sending(range(10), 1.0, seed=1), 20_000))

    assert sent[0] / sent[9] == pytest.approx(10, rel=0.2)
    assert sent[0] / sent[1] == pytest.approx(2, rel=0.2)
