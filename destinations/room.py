"""Room for what one link has in flight, where requests for one event and for several share it.

Counts events. A kind that hangs must not hold up the other: each has a request or two, whatever there is of the other.
Must never let more requests through than an operator allows, nor anybody past who waits with one of the same kind.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

BATCHES = 2  # requests for several at least, if they may be: a batch fills while another is on its way
SINGLES = 1


class _Waiting(NamedTuple):
    events: int
    has_place: asyncio.Future[None]


class Room:
    """`limit()` events may be in flight now; `requests` of an operator, all of them at once, if that is a number."""

    def __init__(self, limit: Callable[[], int], requests: int | None = None) -> None:
        self._limit = limit
        self._requests = requests
        self._flying = {False: 0, True: 0}  # requests, by whether they are for several events
        self._events = 0
        self._waiting: list[_Waiting] = []  # who came first is first

    @asynccontextmanager
    async def place(self, events: int) -> AsyncIterator[None]:
        """Wait until a request for so many may begin; it is in flight until the block ends."""
        one = _Waiting(events, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        self._give()
        try:
            await one.has_place
            yield
        finally:
            if one.has_place.cancelled():
                self._waiting.remove(one)
            else:
                self._count(events > 1, -1, -events)
            self._give()

    def _give(self) -> None:
        """Give what room there is to those who wait, in the order in which they came.

        To them and not to who asks next: a sender that has just been answered asks again before they are awake.
        """
        held_up: set[bool] = set()
        for one in self._waiting[:]:
            together = one.events > 1
            if one.has_place.cancelled() or together in held_up:
                continue
            if self._has_room(one.events):
                self._waiting.remove(one)
                self._count(together, 1, one.events)
                one.has_place.set_result(None)
            else:
                held_up.add(together)

    def _has_room(self, events: int) -> bool:
        flying = self._flying[events > 1]
        if self._requests is not None and sum(self._flying.values()) >= self._requests:
            return False
        return flying < (BATCHES if events > 1 else SINGLES) or self._events + events <= self._limit()

    def _count(self, together: bool, requests: int, events: int) -> None:
        self._flying[together] += requests
        self._events += events
