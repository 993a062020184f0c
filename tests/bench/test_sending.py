"""What the load generator sends."""

import json
from collections import Counter
from itertools import islice

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


def test_an_event_of_no_given_size_has_the_context_that_sdks_send() -> None:
    assert json.loads(event("run-1", 7, 1.5))["context"]["page"]["path"] == "/checkout"


def test_one_event_has_its_own_route_and_several_are_a_batch() -> None:
    one, two = (request("h", "key", [event("u", n, 0.0) for n in range(count)]) for count in (1, 2))

    assert one.startswith(b"POST /v1/track ")
    assert two.startswith(b"POST /v1/batch ")
    body = two.partition(b"\r\n\r\n")[2]
    assert [one["messageId"] for one in json.loads(body)["batch"]] == ["u-0", "u-1"]
    assert b"Content-Length: %d\r\n" % len(body) in two


def test_without_skew_users_take_turns() -> None:
    assert list(islice(sending([3, 5, 7], 0.0, seed=1), 7)) == [3, 5, 7, 3, 5, 7, 3]


def test_with_skew_the_first_user_sends_as_much_more_as_zipf_says() -> None:
    sent = Counter(islice(sending(range(10), 1.0, seed=1), 20_000))

    assert sent[0] / sent[9] == pytest.approx(10, rel=0.2)
    assert sent[0] / sent[1] == pytest.approx(2, rel=0.2)
