"""Calls of an event loop in a thread of their own: in order, with what they return and raise, for who still waits."""

import asyncio
import threading

import pytest

from destinations.call_thread import CallThread


def test_calls_run_in_one_thread_in_the_order_they_were_asked_for() -> None:
    thread, seen = CallThread("test"), list[tuple[int, str]]()

    def call(number: int) -> int:
        seen.append((number, threading.current_thread().name))
        return number * number

    async def scenario() -> list[int]:
        return await asyncio.gather(*(thread.call(lambda number=number: call(number)) for number in range(100)))  # type: ignore[misc]

    assert asyncio.run(scenario()) == [number * number for number in range(100)]
    assert seen == [(number, "test") for number in range(100)]
    thread.stop()


def test_what_a_call_raises_is_raised_where_it_is_awaited_and_the_next_one_runs() -> None:
    thread = CallThread("test")

    async def scenario() -> int:
        with pytest.raises(ZeroDivisionError):
            await thread.call(lambda: 1 // 0)
        return await thread.call(lambda: 7)

    assert asyncio.run(scenario()) == 7
    thread.stop()


def test_whoever_gives_up_waiting_does_not_keep_a_call_from_being_run() -> None:
    thread, may_go_on, done = CallThread("test"), threading.Event(), list[str]()

    async def scenario() -> None:
        first = thread.call(lambda: may_go_on.wait(60))
        second = thread.call(lambda: done.append("second"))
        for future in (first, second):
            future.cancel()
        may_go_on.set()
        assert await thread.call(lambda: "third") == "third"

    asyncio.run(scenario())
    thread.stop()
    assert done == ["second"]


def test_stopping_waits_for_what_was_asked_for() -> None:
    thread, done = CallThread("test"), list[str]()

    async def scenario() -> None:
        thread.call(lambda: done.append("asked for"))

    asyncio.run(scenario())
    thread.stop()
    assert done == ["asked for"]
