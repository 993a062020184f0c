"""Users side by side, one user's events one after the other; no database, no network."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from destinations.courier import Courier
from destinations.lanes import ClaimedLane
from destinations.progress import Progress
from destinations.reader import Owed

LANE = ClaimedLane(1, 1, 1, 0, Progress((0, 0), "2026-11-24"))


def owed(user: str, number: int) -> Owed:
    return Owed(LANE, (1, number), "2026-11-24", f"{user}{number}", user, "{}")


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 30))


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def couriering(deliver: Callable[[Owed], Awaitable[bool]], senders: int = 4) -> Courier:
    made = Courier(deliver, asyncio.Event())
    made.allow(1, senders)
    return made


def test_one_users_events_never_overlap_and_keep_their_order() -> None:
    flying, seen = set[str](), list[str]()

    async def deliver(event: Owed) -> bool:
        assert event.user_key not in flying
        flying.add(event.user_key)
        await asyncio.sleep(0)
        flying.discard(event.user_key)
        seen.append(event.message_id)
        return True

    async def work() -> None:
        courier = couriering(deliver, senders=8)
        for number in range(30):
            for user in "abc":
                courier.add(owed(user, number))
        await until(lambda: len(seen) == 90)
        await until(lambda: not courier.busy_users)
        await courier.cancel()
        assert courier.failure is None
        assert courier.queued == 0

    run(work)
    for user in "abc":
        assert [m for m in seen if m.startswith(user)] == [f"{user}{number}" for number in range(30)]


def test_a_busy_user_leaves_turns_to_others() -> None:
    seen: list[str] = []

    async def deliver(event: Owed) -> bool:
        seen.append(event.message_id)
        return True

    async def work() -> None:
        courier = couriering(deliver, senders=1)
        for number in range(100):
            courier.add(owed("busy", number))
        courier.add(owed("quiet", 0))
        await until(lambda: len(seen) == 101)
        await courier.cancel()

    run(work)
    assert seen.index("quiet0") == 10


def test_a_user_whose_event_failed_is_blocked_until_it_is_let_go() -> None:
    seen: list[str] = []

    async def deliver(event: Owed) -> bool:
        seen.append(event.message_id)
        return event.message_id != "a0"

    async def work() -> None:
        courier = couriering(deliver)
        courier.add(owed("a", 0))
        courier.add(owed("a", 1))
        courier.add(owed("b", 0))
        await until(lambda: len(seen) == 2)
        courier.add(owed("a", 2))
        await asyncio.sleep(0.02)
        assert sorted(seen) == ["a0", "b0"]
        assert courier.users() == {(1, "a")}
        assert (courier.queued, courier.moving(60)) == (2, 0)
        courier.unblock((1, "a"))
        await until(lambda: len(seen) == 4)
        assert seen[-2:] == ["a1", "a2"]
        await courier.cancel()

    run(work)


def test_the_queue_of_a_blocked_user_can_be_taken_and_later_events_start_anew() -> None:
    seen: list[str] = []

    async def deliver(event: Owed) -> bool:
        seen.append(event.message_id)
        return event.message_id != "a0"

    async def work() -> None:
        courier = couriering(deliver)
        courier.add(owed("a", 0))
        courier.add(owed("a", 1))
        await until(lambda: seen)
        await until(lambda: not courier.flying)
        assert [event.message_id for event in courier.take_queue((1, "a"))] == ["a1"]
        assert (courier.queued, courier.busy_users) == (0, 0)
        courier.add(owed("a", 2))
        await until(lambda: seen == ["a0", "a2"])
        await courier.cancel()

    run(work)


def test_after_stop_nothing_new_starts_and_what_flies_lands() -> None:
    landing = asyncio.Event()
    seen: list[str] = []

    async def deliver(event: Owed) -> bool:
        await landing.wait()
        seen.append(event.message_id)
        return True

    async def work() -> None:
        courier = couriering(deliver)
        courier.add(owed("a", 0))
        courier.add(owed("a", 1))
        await until(lambda: courier.flying)
        courier.stop()
        courier.add(owed("b", 0))
        landing.set()
        await until(lambda: not courier.flying)
        await asyncio.sleep(0.02)
        assert seen == ["a0"]
        await courier.cancel()

    run(work)


def test_who_hangs_is_known_and_does_not_count_as_moving() -> None:
    async def deliver(event: Owed) -> bool:
        await asyncio.sleep(60)
        return True

    async def work() -> None:
        courier = couriering(deliver)
        for number in range(5):
            courier.add(owed("a", number))
        await until(lambda: courier.hangs(0.01))
        assert courier.hangs(0.01) == {(1, "a")}
        assert (courier.queued, courier.moving(0.01), courier.moving(60)) == (4, 0, 4)
        await courier.cancel()
        assert courier.failure is None

    run(work)


def test_a_defect_in_delivering_is_reported() -> None:
    async def deliver(event: Owed) -> bool:
        raise ZeroDivisionError

    async def work() -> None:
        courier = couriering(deliver)
        courier.add(owed("a", 0))
        await until(lambda: courier.failure)
        assert isinstance(courier.failure, ZeroDivisionError)
        await courier.cancel()

    run(work)


def test_cancelling_ends_even_if_a_request_swallows_it() -> None:
    async def deliver(event: Owed) -> bool:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return True

    async def work() -> None:
        courier = couriering(deliver)
        courier.add(owed("a", 0))
        courier.add(owed("b", 0))
        await until(lambda: len(courier.flying) == 2)
        await courier.cancel()
        assert not courier.flying

    run(work)


def test_more_senders_begin_at_once_and_too_many_end_with_what_they_do() -> None:
    landing = asyncio.Event()

    async def deliver(event: Owed) -> bool:
        await landing.wait()
        return True

    async def work() -> None:
        courier = couriering(deliver, senders=1)
        for number in range(9):
            courier.add(owed(f"u{number}", 0))
        await until(lambda: len(courier.flying) == 1)
        courier.allow(1, 5)
        await until(lambda: len(courier.flying) == 5)
        courier.allow(1, 2)
        landing.set()
        await until(lambda: not courier.busy_users)
        landing.clear()
        for number in range(9):
            courier.add(owed(f"v{number}", 0))
        await until(lambda: len(courier.flying) == 2)
        await asyncio.sleep(0.02)
        assert len(courier.flying) == 2
        courier.allow(1, 4)
        await until(lambda: len(courier.flying) == 4)
        landing.set()
        await until(lambda: not courier.busy_users)
        assert courier.failure is None
        await courier.cancel()

    run(work)


def test_a_sender_that_failed_is_not_replaced_before_it_was_told_of() -> None:
    async def deliver(event: Owed) -> bool:
        raise ZeroDivisionError

    async def work() -> None:
        courier = couriering(deliver, senders=1)
        courier.add(owed("a", 0))
        await until(lambda: courier.failure)
        courier.allow(1, 3)
        assert isinstance(courier.failure, ZeroDivisionError)
        await courier.cancel()

    run(work)
