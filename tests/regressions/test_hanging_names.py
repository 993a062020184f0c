"""A name server that hangs costs those who need its names their time, and nobody else anything."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import uvloop

from rudderproj.egress import Resolver
from rudderproj.http import HttpClient

ASKERS = 100  # more than there are threads


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often each name was looked up; `hanging.example` has no answer until the test is over."""
    look_up, over, names = socket.getaddrinfo, threading.Event(), Counter[str]()

    def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> Any:
        names[host] += 1
        if host == "hanging.example":
            over.wait(60)
        return look_up("127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield names
    over.set()


def test_a_name_that_hangs_is_looked_up_once_and_keeps_no_other_waiting(asked: Counter[str]) -> None:
    async def ask() -> list[str]:
        resolver = Resolver(["127.0.0.0/8"])
        hanging = [asyncio.create_task(resolver.resolve("hanging.example", 80)) for _ in range(ASKERS)]
        await asyncio.sleep(0)
        found = await asyncio.wait_for(resolver.resolve("well.example", 80), 30)
        assert not any(task.done() for task in hanging)
        await resolver.close()
        await asyncio.gather(*hanging, return_exceptions=True)
        return found

    assert uvloop.run(ask()) == ["127.0.0.1"]
    assert asked == {"hanging.example": 1, "well.example": 1}


def test_a_request_takes_no_longer_than_its_timeout_to_look_its_name_up(asked: Counter[str]) -> None:
    async def send() -> tuple[int | None, str, bool]:
        client = HttpClient(["127.0.0.0/8"])
        answers = [await client.send(1, "POST", "http://hanging.example/", [], b"", 0.1) for _ in range(2)]
        await client.close()
        assert answers[0][:5] == answers[1][:5]
        return answers[0].status, answers[0].error, answers[0].connected

    assert uvloop.run(send()) == (None, "cannot resolve hanging.example in 0.1 s", False)
    assert asked == {"hanging.example": 1}
