"""A destination that has taken an event says so in its answer's first line, whatever is wrong with the rest."""

import asyncio

import pytest

from rudderproj.http import Answer, HttpClient
from tests.stubs.parrot import answering

HEAD = b"HTTP/1.1 %d Whatever\r\n"
TIMEOUT_SECONDS = 1.0


def asked(answer: bytes, is_cut: bool = True) -> Answer:
    async def run(port: int) -> Answer:
        client = HttpClient(["127.0.0.0/8"])
        try:
            return await client.send(1, "POST", f"http://127.0.0.1:{port}/", [], b"{}", TIMEOUT_SECONDS)
        finally:
            await client.close()

    with answering(answer, is_cut) as port:
        return asyncio.run(run(port))


@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize(
    ("rest", "is_cut"),
    [
        (b"content-length: 100\r\n\r\nhalf of it", True),
        (b"content-length: 100\r\n\r\nhalf of it", False),
        (b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", True),
        (b"transfer-encoding: chunked\r\n\r\nno number\r\n", True),
        (b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\nok", True),
    ],
)
def test_what_became_of_the_request_is_known_though_the_body_cannot_be_read(
    status: int, rest: bytes, is_cut: bool
) -> None:
    answer = asked(HEAD % status + rest, is_cut)
    assert (answer.status, answer.body, answer.connected) == (status, "", True)
    assert answer.error.startswith("unreadable body: ")


def test_a_retry_after_that_is_no_ascii_is_none() -> None:
    answer = asked(HEAD % 503 + b"retry-after: bient\xc3\xb4t\r\ncontent-length: 2\r\n\r\nok")
    assert (answer.status, answer.body, answer.retry_after, answer.error) == (503, "ok", None, "")


def test_no_status_is_no_answer() -> None:
    assert [asked(b"HTTP/1.1 ").status, asked(b"", is_cut=False).status] == [None, None]
