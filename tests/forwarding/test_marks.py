"""What links say of themselves to the broker: together, the last word last, and without being waited for."""

import asyncio
import threading
from collections.abc import Iterator, Mapping

import pytest

from destinations import doorbell, marks
from destinations.marks import Marks


class Broker:
    """Notes what is written, and answers when it is told to."""

    def __init__(self) -> None:
        self.written: list[dict[int, bool]] = []
        self.answers = threading.Event()
        self.answers.set()

    def mark(self, running: Mapping[int, bool]) -> None:
        """In place of doorbell.mark."""
        self.written.append(dict(running))
        assert self.answers.wait(20)


@pytest.fixture
def written_to(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    broker = Broker()
    monkeypatch.setattr(doorbell, "mark", broker.mark)
    yield broker
    broker.answers.set()


async def until(broker: Broker, count: int) -> None:
    async with asyncio.timeout(20):
        while len(broker.written) < count:
            await asyncio.sleep(0.001)


def test_what_many_links_say_is_written_at_once(written_to: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "GATHER_SECONDS", 0.05)

    async def said() -> None:
        one = Marks()
        for destination_id in (1, 2, 3, 2):
            one.running(destination_id)
        await until(written_to, 1)
        one.stop()

    asyncio.run(said())
    assert written_to.written == [{1: True, 2: True, 3: True}]


def test_a_link_that_begins_or_ends_waits_for_no_others(written_to: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "GATHER_SECONDS", 60.0)

    async def said() -> None:
        one = Marks()
        one.running(1)
        one.begun(2)
        await until(written_to, 1)
        one.running(3)
        await one.idle(2)
        one.ended(2)
        one.stop()

    asyncio.run(said())
    assert written_to.written == [{1: True, 2: True}, {3: True, 2: False}]


def test_the_last_word_is_written_last_however_long_the_one_before_takes(written_to: Broker) -> None:
    async def said() -> None:
        one = Marks()
        written_to.answers.clear()
        one.begun(1)
        await until(written_to, 1)
        one.running(1)
        ended = asyncio.ensure_future(one.idle(1))
        await asyncio.sleep(0.05)
        assert (len(written_to.written), ended.done()) == (1, False)
        written_to.answers.set()
        await ended
        one.stop()

    asyncio.run(said())
    assert written_to.written == [{1: True}, {1: False}]


def test_a_destination_may_be_rung_again_when_the_last_link_of_it_here_is_over(written_to: Broker) -> None:
    async def said() -> None:
        one = Marks()
        one.begun(1)
        one.begun(1)
        await until(written_to, 1)
        await one.idle(1)
        one.ended(1)
        assert written_to.written == [{1: True}]
        await one.idle(1)
        one.ended(1)
        one.stop()

    asyncio.run(said())
    assert written_to.written == [{1: True}, {1: False}]


def test_nothing_is_said_any_more_of_a_link_that_ended(written_to: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its destination must be left alone: the mark that was there is to fade by itself."""
    monkeypatch.setattr(marks, "GATHER_SECONDS", 0.05)

    async def said() -> None:
        one = Marks()
        one.begun(1)
        await until(written_to, 1)
        one.running(1)
        one.running(2)
        one.ended(1)
        await until(written_to, 2)
        one.stop()

    asyncio.run(said())
    assert written_to.written == [{1: True}, {2: True}]
