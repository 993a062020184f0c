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
    async def said() -> None:
        one = Marks()
        links = [one.begin(destination_id) for destination_id in (1, 2, 3)]
        await until(written_to, 1)
        monkeypatch.setattr(marks, "GATHER_SECONDS", 0.05)
        for link in (*links, links[1]):
            link.running()
        await until(written_to, 2)
        one.stop()

    asyncio.run(said())
    assert written_to.written == [{1: True, 2: True, 3: True}] * 2


def test_a_link_that_begins_or_ends_waits_for_no_others(written_to: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "GATHER_SECONDS", 60.0)

    async def said() -> None:
        one = Marks()
        first = one.begin(1)
        await until(written_to, 1)
        first.running()
        second = one.begin(2)
        await until(written_to, 2)
        first.running()
        await second.idle()
        one.stop()

    asyncio.run(said())
    assert written_to.written == [{1: True}, {1: True, 2: True}, {1: True, 2: False}]


def test_the_last_word_is_written_last_however_long_the_one_before_takes(written_to: Broker) -> None:
    async def said() -> None:
        one = Marks()
        written_to.answers.clear()
        link = one.begin(1)
        await until(written_to, 1)
        link.running()
        ended = asyncio.ensure_future(link.idle())
        await asyncio.sleep(0.05)
        assert (len(written_to.written), ended.done()) == (1, False)
        written_to.answers.set()
        await ended
        one.stop()

    asyncio.run(said())
    assert written_to.written == [{1: True}, {1: False}]


@pytest.mark.parametrize("leaves_first", [False, True])
def test_a_destination_may_be_rung_again_when_the_last_link_that_serves_it_here_is_over(
    written_to: Broker, leaves_first: bool
) -> None:
    async def said() -> None:
        one = Marks()
        first, second = one.begin(1), one.begin(1)
        await until(written_to, 1)
        if leaves_first:  # it only waits for requests in flight: whoever relies on it waits as long
            first.leave()
        else:
            await first.idle()
        assert written_to.written == [{1: True}]
        await second.idle()
        assert written_to.written == [{1: True}, {1: False}]
        first.leave()
        second.leave()
        one.begin(1)
        await until(written_to, 3)
        one.stop()

    asyncio.run(said())
    assert written_to.written == [{1: True}, {1: False}, {1: True}]


def test_what_one_link_left_to_another_is_done_when_that_one_only_leaves(written_to: Broker) -> None:
    """The other had nothing to say of its own: there was no room for it."""

    async def said() -> None:
        one = Marks()
        first, second = one.begin(1), one.begin(1)
        await until(written_to, 1)
        await first.idle()
        second.leave()
        await until(written_to, 2)
        one.stop()

    asyncio.run(said())
    assert written_to.written == [{1: True}, {1: False}]


def test_nothing_is_said_any_more_of_a_link_that_left(written_to: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its destination must be left alone: the mark that was there is to fade by itself."""
    monkeypatch.setattr(marks, "GATHER_SECONDS", 0.05)

    async def said() -> None:
        one = Marks()
        first, second = one.begin(1), one.begin(2)
        await until(written_to, 1)
        first.running()
        second.running()
        first.leave()
        await until(written_to, 2)
        one.stop()

    asyncio.run(said())
    assert written_to.written == [{1: True, 2: True}, {2: True}]


def test_an_error_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[int, bool]] = []

    def broken(running: Mapping[int, bool]) -> None:
        asked.append(dict(running))
        raise KeyError("a library's")

    monkeypatch.setattr(doorbell, "mark", broken)

    async def said() -> None:
        one = Marks()
        first, second = one.begin(1), one.begin(2)
        async with asyncio.timeout(20):
            await asyncio.gather(first.idle(), second.idle())
            await one.begin(3).idle()
        one.stop()

    asyncio.run(said())
    assert asked[-1] == {3: False}


def test_a_link_whose_last_word_another_took_back_does_not_wait_for_ever_and_it_is_said(written_to: Broker) -> None:
    async def said() -> None:
        one = Marks()
        written_to.answers.clear()
        first = one.begin(1)
        await until(written_to, 1)
        ending = asyncio.ensure_future(first.idle())
        await asyncio.sleep(0)
        second = one.begin(1)  # and finds that nothing may be sent
        second.leave()
        written_to.answers.set()
        async with asyncio.timeout(20):
            await ending
        one.stop()

    asyncio.run(said())
    assert written_to.written == [{1: True}, {1: False}]
