"""A destination that hangs holds a worker for one timeout a probe, and never past its lease."""

import asyncio
import os

import pytest

from destinations import owner
from destinations.oracle.script import HANG
from rudderproj.http import HttpClient
from tests.forwarding.test_breaker import open_breaker, probe
from tests.forwarding.world import World


@pytest.mark.parametrize(("allowed", "together"), [(None, 3), (2, 2), (1, 1)])
def test_the_heads_of_a_probe_are_sent_at_once_as_far_as_the_destination_allows(
    world: World, allowed: int | None, together: int
) -> None:
    world.many(users=8, each=1)
    world.change(max_concurrency=allowed)
    world.sink.everyone = HANG
    open_breaker(world)

    probe(world)

    assert (len(world.sink.arrivals), world.sink.most_in_flight) == (together, together)
    assert world.health().breaker == "open"


def test_a_request_ends_by_itself_with_the_time_it_is_given(world: World) -> None:
    world.sink.everyone = HANG

    async def send() -> str:
        client = HttpClient(["127.0.0.0/8"])
        answer = await client.send(1, "POST", world.sink.url, [], b'{"messageId": "m"}', 0.2)
        await client.close()
        return answer.error

    assert asyncio.run(send()) == "timeout after 0.2 s"


def test_a_worker_that_cannot_be_seen_is_not_called_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    other = owner.me().replace(f" {os.getpid()} ", " 12345678 ")
    assert owner.is_dead(other)

    def of_another_user(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", of_another_user)
    assert not owner.is_dead(other)
