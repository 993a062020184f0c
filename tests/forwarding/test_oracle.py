"""The oracle must see what it is there to see."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection

import pytest

from destinations.oracle.check import Misplaced, check
from destinations.oracle.script import HANG, OK, RESET, Reply, replies, reply
from destinations.oracle.sink import Sink

ACCEPTED = {"u": ["u0", "u1", "u2"], "v": ["v0"]}


@dataclass(frozen=True)
class Came:
    message_id: str
    is_final: bool = True


def came(*names: str) -> list[Came]:
    """Arrivals; a name with "!" was answered so that it must come again."""
    return [Came(name.rstrip("!"), not name.endswith("!")) for name in names]


def test_everything_once_and_in_order_is_clean() -> None:
    report = check(ACCEPTED, came("v0", "u0", "u1", "u2"))
    assert report.is_clean
    assert (report.accepted, report.arrivals, report.duplicates) == (4, 4, [])


def test_retries_are_neither_duplicates_nor_out_of_order() -> None:
    report = check(ACCEPTED, came("u0!", "u0!", "v0", "u0", "u1!", "u1", "u2"))
    assert report.is_clean
    assert report.duplicates == []


@pytest.mark.parametrize(
    ("arrivals", "lost"),
    [([], ["u0", "u1", "u2", "v0"]), (["u0", "u1!"], ["u1", "u2", "v0"]), (["u0", "v0"], ["u1", "u2"])],
)
def test_what_never_got_a_final_answer_is_lost(arrivals: Sequence[str], lost: list[str]) -> None:
    assert check(ACCEPTED, came(*arrivals)).lost == lost


def test_an_event_before_an_earlier_one_is_done_is_out_of_order() -> None:
    report = check(ACCEPTED, came("u0!", "u1", "u0", "u2", "v0"))
    assert report.out_of_order == [Misplaced("u", "u1", "u0")]
    report = check(ACCEPTED, came("u1", "u0", "u2", "v0"))
    assert report.out_of_order == [Misplaced("u", "u1", "u0")]


def test_repeated_arrivals_are_counted_one_by_one() -> None:
    assert check(ACCEPTED, came("u0", "u1", "u0", "u1", "u2", "u0", "v0")).duplicates == ["u0", "u1", "u0"]


def test_given_up_events_hold_nobody_and_are_not_lost() -> None:
    report = check(ACCEPTED, came("u0!", "u0!", "u1", "u2", "v0"), given_up={"u0"})
    assert report.is_clean


def test_what_was_never_accepted_is_noticed() -> None:
    assert check(ACCEPTED, came("x")).unexpected == ["x"]


def test_scripts_are_read_from_short_hand_and_repeat_their_last_answer() -> None:
    assert replies([500, "hang", "reset", {"status": 429, "retry_after": "1"}]) == (
        Reply(500),
        HANG,
        RESET,
        Reply(429, retry_after="1"),
    )
    assert replies([]) == (OK,)
    assert [reply(status).is_final for status in (200, 400, 302, 408, 425, 429, 500)] == [True] * 3 + [False] * 4
    assert not HANG.is_final
    assert not RESET.is_final
    with pytest.raises(ValueError, match="nonsense"):
        reply("nonsense")


def post(sink: Sink, body: str) -> tuple[int, str | None]:
    client = HTTPConnection("127.0.0.1", sink.port, timeout=5)
    try:
        client.request("POST", "/hook", body)
        response = client.getresponse()
        return response.status, response.getheader("retry-after")
    finally:
        client.close()


def test_the_sink_answers_as_scripted_and_records_every_arrival(sink: Sink) -> None:
    sink.script("a", [500, {"status": 429, "retry_after": "7"}, 200])
    assert [post(sink, '{"messageId":"a"}') for _ in range(4)] == [(500, None), (429, "7"), (200, None), (200, None)]
    assert post(sink, '{"messageId":"b","properties":{"answers":[404]}}') == (404, None)
    assert [(arrival.message_id, arrival.attempt, arrival.is_final) for arrival in sink.arrivals] == [
        ("a", 1, False),
        ("a", 2, False),
        ("a", 3, True),
        ("a", 4, True),
        ("b", 1, True),
    ]


def test_the_sink_resets_hangs_and_refuses(sink: Sink) -> None:
    with pytest.raises(ConnectionResetError):
        post(sink, '{"messageId":"r","properties":{"answers":["reset"]}}')
    client = HTTPConnection("127.0.0.1", sink.port, timeout=0.2)
    client.request("POST", "/hook", '{"messageId":"h","properties":{"answers":["hang"]}}')
    with pytest.raises(TimeoutError):
        client.getresponse()
    client.close()
    sink.refuse_connections()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", sink.port), 1)
    sink.accept_connections()
    assert post(sink, '{"messageId":"a"}') == (200, None)
    assert sink.ids() == ["r", "h", "a"]
