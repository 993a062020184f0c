"""The sink's answers, and what the ledger says of them."""

import asyncio
import http.client
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from destinations.oracle.script import HANG, OK, RESET, Reply
from destinations.oracle.server import Exchange
from destinations.verify import answers, ledger, sink
from destinations.verify.answers import Answers
from destinations.verify.ledger import Kind
from tests.e2e.http import ask
from tests.stack.harness import eventually

PATH = "/verify-1"


def test_steps_are_read_as_typed_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "steps"
    file.write_text("200*2\nhang\n")

    assert answers.parse("200*50,503:2*5,hang,reset") == (
        (OK, 50),
        (Reply(503, retry_after="2"), 5),
        (HANG, 1),
        (RESET, 1),
    )
    assert answers.parse(str(file)) == ((OK, 2), (HANG, 1))
    assert answers.parse("200," * 100 + "hang") == ((OK, 1),) * 100 + ((HANG, 1),)  # too long for a file's name


@pytest.mark.parametrize("text", ["", "hang:3", "700", "200*x", "no", "no" * 200])
def test_steps_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected steps such as"):
        answers.parse(text)


def test_the_last_step_is_repeated_for_ever() -> None:
    found = Answers(answers.parse("200*2,503")).replies()

    assert [reply.status for reply in islice(found, 5)] == [200, 200, 503, 503, 503]


def test_a_share_fails_the_same_for_the_same_seed() -> None:
    def failed(seed: int) -> list[int]:
        return [
            n for n, reply in enumerate(islice(Answers(fail=0.1, seed=seed).replies(), 1000)) if reply.status == 503
        ]

    assert failed(1) == failed(1) != failed(2)
    assert 70 < len(failed(1)) < 130


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


@pytest.fixture
def port(book: Path) -> Iterator[int]:
    steps = answers.parse("200,503:7,reset,200")
    with sink.listening("127.0.0.1", 0, PATH, Answers(steps, latency_seconds=0.01), book) as found:
        yield found


def test_it_answers_as_told_and_notes_what_it_answered(port: int, book: Path) -> None:
    def send(message_id: str) -> tuple[int, str | None] | None:
        try:
            answer = ask(port, "POST", PATH, b'{"messageId": "%b"}' % message_id.encode())
        except (OSError, http.client.HTTPException):
            return None
        return answer.status, answer.headers.get("retry-after")

    assert [send(name) for name in "abcd"] == [(200, None), (503, "7"), None, (200, None)]
    noted = [(record["message_id"], record.get("status"), record.get("final")) for record in ledger.read(book)]
    assert noted[1::2] == [("a", 200, True), ("b", 503, False), ("c", None, False), ("d", 200, True)]
    assert noted[::2] == [("a", None, None), ("b", None, None), ("c", None, None), ("d", None, None)]
    assert [record["kind"] for record in ledger.read(book)] == [Kind.REACHED, Kind.ARRIVED] * 4


def test_who_hangs_up_before_a_slow_answer_was_not_answered(tmp_path: Path) -> None:
    book = tmp_path / "slow"
    with sink.listening("127.0.0.1", 0, PATH, Answers(latency_seconds=60.0), book) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", PATH, b'{"messageId": "a"}')
        (first,) = eventually(lambda: list(ledger.read(book)))
        connection.close()
        first, noted = eventually(lambda: records if len(records := list(ledger.read(book))) == 2 else [])

    assert (first["kind"], first["message_id"], noted["kind"]) == (Kind.REACHED, "a", Kind.ARRIVED)
    assert {name: noted[name] for name in ("message_id", "status", "final", "late")} == {
        "message_id": "a",
        "status": None,
        "final": False,
        "late": True,
    }


def test_a_slow_answer_is_noted_with_what_it_was_made_to_wait(port: int, book: Path) -> None:
    assert ask(port, "POST", PATH, b'{"messageId": "a"}').status == 200

    _, noted = ledger.read(book)
    assert (noted["status"], noted["final"], noted["waited"], "late" in noted) == (200, True, 0.01, False)


def test_what_is_not_sent_to_its_path_is_no_arrival(port: int, book: Path) -> None:
    assert ask(port, "POST", "/other", b"{}").status == 404
    assert ask(port, "GET", PATH).status == 404
    assert list(ledger.read(book)) == []


def test_what_is_no_event_arrives_without_a_name(port: int, book: Path) -> None:
    assert ask(port, "POST", PATH, b"no").status == 200
    assert [record["message_id"] for record in ledger.read(book)] == ["", ""]


def test_a_request_is_not_read_before_the_one_before_it_is_answered() -> None:
    replies = iter([Reply(200, delay_seconds=0.1), Reply(503)])

    async def both() -> bytes:
        server = await asyncio.get_running_loop().create_server(lambda: Exchange(lambda _: next(replies)), "127.0.0.1")
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n" * 2)
        found = await reader.readuntil(b"\r\n\r\n") + await reader.readuntil(b"\r\n\r\n")
        writer.close()
        server.close()
        return found

    assert re.findall(rb"HTTP/1.1 (\d+)", asyncio.run(both())) == [b"200", b"503"]


def test_many_requests_on_one_connection_are_answered_in_turn(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for expected in (200, 503):
        connection.request("POST", PATH, b'{"messageId": "a"}')
        answer = connection.getresponse()
        answer.read()
        assert answer.status == expected
    connection.close()
