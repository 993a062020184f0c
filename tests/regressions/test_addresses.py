"""A name with several addresses: all of them are tried, only permitted ones."""

import asyncio
import ipaddress
import json
import socket
from collections.abc import Iterator

import pytest

from destinations.oracle.sink import Sink
from rudderproj.egress import Address, Resolver
from rudderproj.http import Answer, HttpClient
from tests.stubs.parrot import answering

TWO_NAMES = ["::1", "127.0.0.1"]  # as `localhost` resolves on most machines


@pytest.fixture
def port() -> Iterator[int]:
    """A server that listens on 127.0.0.1 only."""
    with answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", is_cut=True) as found:
        yield found


def send(port: int, allow: list[str], times: int = 1) -> list[Answer]:
    async def run() -> list[Answer]:
        client = HttpClient(allow)
        try:
            return [await client.send(1, "POST", f"http://two.example:{port}/", [], b"{}", 5.0) for _ in range(times)]
        finally:
            await client.close()

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """`two.example` has an IPv6 address before an IPv4 one."""

    async def lookup(self: Resolver, host: str, port: int) -> list[Address]:
        return [ipaddress.ip_address(name) for name in TWO_NAMES]

    monkeypatch.setattr(Resolver, "_lookup", lookup)


def test_the_next_address_is_tried_when_nobody_listens_at_the_first(port: int) -> None:
    assert [answer.status for answer in send(port, ["127.0.0.0/8", "::1/128"], times=3)] == [200, 200, 200]


def test_addresses_that_are_not_permitted_are_never_tried(port: int) -> None:
    assert [answer.status for answer in send(port, ["127.0.0.0/8"])] == [200]
    (refused,) = send(port, ["::1/128"])
    assert (refused.status, refused.connected) == (None, False)


@pytest.mark.parametrize("address", ["::127.0.0.1", "fec0::1", "64:ff9b:1::7f00:1"])
def test_deprecated_and_local_forms_of_addresses_are_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lookup(self: Resolver, host: str, port: int) -> list[Address]:
        return [ipaddress.ip_address(address)]

    monkeypatch.setattr(Resolver, "_lookup", lookup)
    (answer,) = send(9, [])
    assert "not a public address" in answer.error


def test_a_connection_that_answers_late_or_breaks_was_connected_and_is_not_repeated_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def lookup(self: Resolver, host: str, port: int) -> list[Address]:
        return [ipaddress.ip_address(name) for name in ("127.0.0.1", "127.0.0.2")]

    monkeypatch.setattr(Resolver, "_lookup", lookup)
    with Sink() as sink:
        for answers in ("hang", "reset"):
            answer = asyncio.run(_post(sink.port, answers))
            assert (answer.status, answer.connected) == (None, True)
        assert len(sink.arrivals) == 2


def test_a_host_that_takes_no_connections_was_not_connected() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        (answer,) = send(closed.getsockname()[1], ["127.0.0.0/8"])
    assert (answer.status, answer.connected) == (None, False)


async def _post(port: int, answer: str) -> Answer:
    client = HttpClient(["127.0.0.0/8"])
    body = json.dumps({"messageId": answer, "properties": {"answers": [answer]}}).encode()
    try:
        return await client.send(1, "POST", f"http://two.example:{port}/", [], body, 0.5)
    finally:
        await client.close()
