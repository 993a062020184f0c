"""A destination that is busy: who came, and when, is kept, so that whoever comes too soon is found."""

import http.client

from destinations.oracle.sink import Sink
from drills import felt
from drills.front import RETRY_AFTER_SECONDS, Front, Illness, standing


def answers(front: Front, *names: str) -> list[tuple[int, str | None]]:
    """What events of these names are answered: status and Retry-After."""
    client = http.client.HTTPConnection("127.0.0.1", front.port, timeout=10)
    found = []
    for name in names:
        client.request("POST", "/hook", f'{{"messageId": "{name}"}}')
        answer = client.getresponse()
        answer.read()
        found.append((answer.status, answer.headers["Retry-After"]))
    client.close()
    return found


def test_each_try_of_an_event_that_is_asked_to_come_later_is_noted_also_the_one_that_is_taken() -> None:
    with Sink() as sink, standing() as front:
        front.upstream = sink.port
        answers(front, "c")
        front.fall_ill(Illness.BUSY)
        assert answers(front, "a", "b", "a") == [(429, "2")] * 3
        front.fall_ill(Illness.NONE)
        assert answers(front, "b", "c") == [(200, None)] * 2

    assert [event for _, event in front.tries] == ["a", "b", "a", "b"]
    assert felt.too_soon(front.tries, RETRY_AFTER_SECONDS) == 2
