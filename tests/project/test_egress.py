"""Where the product may connect to."""

import asyncio
import ipaddress

import pytest

from rudderproj.egress import EgressRefused, Resolver, permitted
from rudderproj.http import HttpClient

PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "2002:7f00:1::",
    "64:ff9b::a00:1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not permitted(ipaddress.ip_address(address), [])


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_is_permitted(address: str) -> None:
    assert permitted(ipaddress.ip_address(address), [])


def test_an_allowed_network_is_permitted_and_its_neighbours_are_not() -> None:
    allow = [ipaddress.ip_network("10.1.0.0/16")]

    assert permitted(ipaddress.ip_address("10.1.2.3"), allow)
    assert permitted(ipaddress.ip_address("::ffff:10.1.2.3"), allow)
    assert not permitted(ipaddress.ip_address("10.2.0.1"), allow)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "127.1", "::1"])
def test_loopback_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(EgressRefused):
        asyncio.run(Resolver([]).resolve(host, 80))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "http://[::1]:1/",
        "http://[::ffff:127.0.0.1]:1/",
        "http://2130706433:1/",
        "http://0177.0.0.1:1/",
        "http://localhost:1/",
        "http://127.0.0.1:1\\@public.example/",  # parsers disagree about the host: ours must be the client's
        "http://１２７.0.0.1:1/",
    ],
)
def test_the_client_sends_nothing_to_a_refused_address(url: str) -> None:
    async def send() -> str:
        client = HttpClient([])
        answer = await client.send(1, "POST", url, [], b"", 1.0)
        await client.close()
        assert answer.status is None
        return answer.error

    assert "not a public address" in asyncio.run(send())


class RebindingResolver(Resolver):
    """Answers first with a public address and then with loopback, as an attacker's name server would."""

    def __init__(self) -> None:
        super().__init__([])
        self._answers = ["203.0.114.1", "127.0.0.1"]

    async def _lookup(self, host: str, port: int) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
        return [ipaddress.ip_address(self._answers.pop(0))]


def test_a_name_that_is_rebound_is_checked_each_time_it_is_resolved() -> None:
    async def resolve_twice() -> list[str]:
        resolver = RebindingResolver()
        first = await resolver.resolve("rebind.test", 80)
        assert await resolver.resolve("rebind.test", 80) == first  # remembered: no second answer is asked for
        resolver.forget("rebind.test", 80)
        with pytest.raises(EgressRefused):
            await resolver.resolve("rebind.test", 80)
        return first

    assert asyncio.run(resolve_twice()) == ["203.0.114.1"]
