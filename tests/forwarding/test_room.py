"""What is in flight at once where some requests carry one event and some several."""

import asyncio
from contextlib import AsyncExitStack

from destinations.room import BATCHES, Room
from tests.forwarding.test_courier import run, until


class Held:
    """Requests that stay in flight until they are let go."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.flying: list[int] = []
        self.go_on = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    async def ask(self, *requests: int) -> None:
        """For so many events each."""
        self.tasks += [asyncio.create_task(self._hold(events)) for events in requests]
        await asyncio.sleep(0.01)

    async def _hold(self, events: int) -> None:
        async with self._room.place(events):
            self.flying.append(events)
            await self.go_on.wait()
            self.flying.remove(events)

    async def end(self) -> None:
        self.go_on.set()
        await asyncio.gather(*self.tasks)


def test_single_events_and_batches_share_one_bound() -> None:
    async def work() -> None:
        held = Held(Room(lambda: 64))
        await held.ask(*[20] * 3, *[1] * 10)
        assert sorted(held.flying) == [1] * 4 + [20] * 3
        await held.end()
        assert held.flying == []

    run(work)


def test_who_hangs_alone_does_not_hold_up_batches_nor_the_other_way_round() -> None:
    async def work() -> None:
        alone, together = Held(Room(lambda: 8)), Held(Room(lambda: 8))
        await alone.ask(*[1] * 9, *[5] * 3)
        assert alone.flying == [1] * 8 + [5] * BATCHES
        await together.ask(*[5] * 3, 1, 1)
        assert together.flying == [5] * BATCHES + [1]
        await alone.end()
        await together.end()

    run(work)


def test_no_more_requests_than_an_operator_allows_go_through_whatever_they_carry() -> None:
    async def work() -> None:
        held = Held(Room(lambda: 64, 1))
        await held.ask(20, 1, 20)
        assert held.flying == [20]
        await held.end()

    run(work)


def test_who_waits_goes_on_as_soon_as_the_bound_is_raised_and_one_ends() -> None:
    async def work() -> None:
        limit = 2
        room = Room(lambda: limit)
        held = Held(room)
        await held.ask(1, 1, 1, 1, 1)
        assert len(held.flying) == 2
        limit = 9
        async with AsyncExitStack() as other:
            await other.enter_async_context(room.place(1))
        await until(lambda: len(held.flying) == 5)
        await held.end()

    run(work)


def test_who_is_cancelled_while_it_waits_leaves_its_place_to_others() -> None:
    async def work() -> None:
        held = Held(Room(lambda: 1))
        await held.ask(1, 1, 1)
        held.tasks.pop(1).cancel()
        await held.end()
        assert held.flying == []

    run(work)


def test_who_asks_again_at_once_does_not_pass_who_waits() -> None:
    async def work() -> None:
        room, went = Room(lambda: 64, 1), list[str]()

        async def sender(name: str, events: int) -> None:
            for _ in range(50):
                async with room.place(events):
                    went.append(name)
                    await asyncio.sleep(0)

        await asyncio.gather(sender("a", 10), sender("b", 10), sender("alone", 1))
        assert went == ["a", "b", "alone"] * 50

    run(work)


def test_a_batch_that_finds_no_room_does_not_hold_up_single_events_that_do() -> None:
    async def work() -> None:
        held = Held(Room(lambda: 10))
        await held.ask(4, 4, 3, 1, 1, 1)
        assert held.flying == [4, 4, 1, 1]
        await held.end()

    run(work)


def test_who_is_cancelled_with_a_place_just_given_to_it_passes_it_on() -> None:
    async def work() -> None:
        room = Room(lambda: 1)
        second, third = Held(room), Held(room)
        async with room.place(1):
            await second.ask(1)
            await third.ask(1)
        second.tasks[0].cancel()  # it has the place, and has not been told yet
        await until(lambda: third.flying == [1])
        assert second.flying == []
        await third.end()

    run(work)
