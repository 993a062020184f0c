"""Destinations that speak HTTP/2 are sent HTTP/2: over one connection, whatever becomes of it."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest

from drills.certificates import Authority
from rudderproj.http import Answer, HttpClient
from tests.forwarding.http2 import Receiver, receiving
from tests.forwarding.workers import eventually, forwarding
from tests.forwarding.world import make_world

BOTH = ["h2", "http/1.1"]


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


async def send(client: HttpClient, receiver: Receiver, number: int, seconds: float = 10.0) -> Answer:
    return await client.send(1, "POST", receiver.url, [], b'{"messageId": "m%d"}' % number, seconds)


def answers(receiver: Receiver, requests: int, at_once: int = 20) -> list[Answer]:
    """Of so many requests, some of them side by side."""

    async def work() -> list[Answer]:
        client, found, turns = HttpClient(["127.0.0.0/8"]), list[Answer](), asyncio.Semaphore(at_once)

        async def one(number: int) -> None:
            async with turns:
                found.append(await send(client, receiver, number))

        await one(0)
        await asyncio.gather(*(one(number) for number in range(1, requests)))
        await client.close()
        return found

    return asyncio.run(work())


def test_many_requests_at_once_share_one_connection_where_the_server_offers_http_2(authority: Authority) -> None:
    with receiving(authority, BOTH) as receiver:
        found = answers(receiver, 200)
    assert {answer.status for answer in found} == {200}
    assert receiver.versions == {"2": 200}
    assert len(receiver.clients) == 1


def test_a_server_that_offers_http_1_alone_is_sent_that(authority: Authority) -> None:
    with receiving(authority, ["http/1.1"]) as receiver:
        found = answers(receiver, 50)
    assert {answer.status for answer in found} == {200}
    assert receiver.versions == {"1.1": 50}


def test_who_sends_shares_a_connection_with_nobody_else_at_the_same_host(authority: Authority) -> None:
    async def work(client: HttpClient, receiver: Receiver) -> None:
        for number in range(6):
            await client.send(number % 2, "POST", receiver.url, [], b'{"messageId": "m%d"}' % number, 10.0)
        await client.close()

    with receiving(authority, BOTH) as receiver:
        asyncio.run(work(HttpClient(["127.0.0.0/8"]), receiver))
    first, second = ({client for _, client, name in receiver.arrivals if int(name[1:]) % 2 == rest} for rest in (0, 1))
    assert (len(first), len(second)) == (1, 1)
    assert first != second


def test_more_at_once_than_the_server_wants_in_one_connection_wait_for_their_turn(authority: Authority) -> None:
    with receiving(authority, BOTH, streams=3) as receiver:
        found = answers(receiver, 100, at_once=50)
    assert {answer.status for answer in found} == {200}
    assert sorted(receiver.ids) == sorted(f"m{number}" for number in range(100))


def test_a_connection_on_which_requests_time_out_is_not_used_again(authority: Authority) -> None:
    async def work(client: HttpClient, receiver: Receiver) -> tuple[Answer, list[Answer], Answer]:
        first = await send(client, receiver, 0, 5.0)
        receiver.stop()
        lost = await asyncio.gather(*(send(client, receiver, number, 5.0) for number in range(1, 6)))
        receiver.go_on()
        after = await send(client, receiver, 6, 5.0)
        await client.close()
        return first, list(lost), after

    with receiving(authority, BOTH) as receiver:
        first, lost, after = asyncio.run(work(HttpClient(["127.0.0.0/8"]), receiver))
    assert [(answer.status, answer.connected) for answer in lost] == [(None, True)] * 5
    assert (first.status, after.status) == (200, 200)
    far_ends = {name: client for _, client, name in receiver.arrivals}
    assert far_ends["m6"] != far_ends["m0"]


@pytest.mark.usefixtures("committed")
def test_events_arrive_in_order_though_the_server_and_its_connection_go_away_amid_them(authority: Authority) -> None:
    with ExitStack() as until_cut:
        receiver = until_cut.enter_context(receiving(authority, BOTH))
        world = make_world(receiver)  # type: ignore[arg-type]  # only its URL is used
        world.many(20, 100)
        with forwarding([world.destination]):
            assert eventually(lambda: len(receiver.ids) > 100)
            until_cut.close()
            assert len(receiver.ids) < 2000
            with receiving(authority, BOTH, receiver.port) as back:
                assert eventually(world.is_settled)

    assert receiver.versions.keys() == back.versions.keys() == {"2"}
    first = list(dict.fromkeys([*receiver.ids, *back.ids]))  # what was not answered comes again
    for user, expected in world.accepted.items():
        assert [name for name in first if name.rpartition("-")[0] == user] == expected
