"""Room for what one link has in flight, where requests for one event and for several share it.

Counts events. A kind that hangs must not hold up the other: each has a request or two, whatever there is of the other.
Must never let more requests through than an operator allows.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

BATCHES = 2  # requests for several at least, if they may be: a batch fills while another is on its way
SINGLES = 1


class Room:
    """`limit()` events may be in flight now; `requests` of an operator, all of them at once, if that is a number."""

    def __init__(self, limit: Callable[[], int], requests: int | None = None) -> None:
        self._limit = limit
        self._requests = requests
        self._flying = {False: 0, True: 0}  # requests, by whether they are for several events
        self._events = 0
        self._waiting: list[asyncio.Future[None]] = []  # who came first is first

    @asynccontextmanager
    async def place(self, events: int) -> AsyncIterator[None]:
        """Wait until a request for so many may begin; it is in flight until the block ends."""
        while not self._has_room(events):
            waits = asyncio.get_running_loop().create_future()
            self._waiting.append(waits)
            await waits
        self._count(events > 1, 1, events)
        try:
            yield
        finally:
            self._count(events > 1, -1, -events)
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                if not one.done():
                    one.set_result(None)

    def _has_room(self, events: int) -> bool:
        flying = self._flying[events > 1]
        if self._requests is not None and sum(self._flying.values()) >= self._requests:
            return False
        return flying < (BATCHES if events > 1 else SINGLES) or self._events + events <= self._limit()

    def _count(self, together: bool, requests: int, events: int) -> None:
        self._flying[together] += requests
        self._events += events
