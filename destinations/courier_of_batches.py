"""A courier for destinations that take several events in one request: what is ready just now goes together.

Events of one user stand in a batch in their order. Only a batch that was taken says something: of any other each event
goes by itself, in the same order, before anything else of its user; of one that was too much just then only the first,
and twice as many each time that it happens again, the rest together. Must never settle an event by a batch's refusal.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from destinations.courier import FAIR_EVENTS, Courier
from destinations.crew import Crew, User
from destinations.outcome import BatchFate
from destinations.reader import Owed

BATCH_CHARACTERS = 512 * 1024  # of payloads in one request; an event more where that ends in the middle of one
Batch = dict[User, list[Owed]]


class CourierOfBatches(Courier):
    """`deliver_together(events)` says what became of them; `most()` of them go together at most.

    What failed before, and what was in a batch that was refused, goes alone, by senders of its own.
    """

    def __init__(
        self,
        deliver: Callable[[Owed], Awaitable[bool]],
        stopping: asyncio.Event,
        deliver_together: Callable[[Sequence[Owed]], Awaitable[BatchFate]],
        most: Callable[[], int],
    ) -> None:
        super().__init__(deliver, stopping)
        self._deliver_together = deliver_together
        self._most = most
        self._alone: dict[User, int] = {}  # so many of the user's next events go by themselves
        self._pressed: dict[User, int] = {}  # so often the user's next events were in a batch that was too much
        self._singles = Crew(asyncio.Queue(), self._send_alone, stopping)
        self._crews.append(self._singles)

    def allow(self, requests: int, singles: int) -> None:
        """So many requests for several events may be in flight, and so many others."""
        self._crew.allow(requests)
        self._singles.allow(singles)

    def _make_ready(self, user: User) -> None:
        goes_alone = user in self._alone or self._queues[user][0].is_row
        (self._singles if goes_alone else self._crew).ready.put_nowait(user)

    async def _send_alone(self, user: User, _: Callable[[], bool]) -> None:
        """One event by itself."""
        if (left := self._alone.pop(user, 0) - 1) > 0:
            self._alone[user] = left
        if await self._next(user):
            self._make_ready(user)
        elif user not in self._queues:
            self._let_go(user)

    def take_queue(self, user: User) -> list[Owed]:
        """Remove what a blocked user has queued."""
        self._let_go(user)
        return super().take_queue(user)

    def unblock(self, user: User) -> None:
        """Let a blocked user go on: what was in a refused batch still goes alone."""
        super().unblock(user)
        if user not in self._queues:
            self._let_go(user)

    def _let_go(self, user: User) -> None:
        self._alone.pop(user, None)
        self._pressed.pop(user, None)

    async def _work(self, user: User, is_too_many: Callable[[], bool]) -> None:
        """What this user has and what others have who are ready, together."""
        batch = self._gather(user)
        if len(batch) == 1 and len(batch[user]) == 1:
            self._put_back(batch)
            await self._send_alone(user, is_too_many)
        elif (fate := await self._send(batch)) is BatchFate.TAKEN:
            self._let_go_on(batch)
        else:
            self._send_again(batch, fate)

    def _send_again(self, batch: Batch, fate: BatchFate) -> None:
        """Each by itself, or of what was too much the first: if one of them is why, it is found by and by."""
        alone = sum(map(len, batch.values()))
        if fate is BatchFate.TOO_MUCH:
            times = max(self._pressed.get(user, 0) for user in batch)
            self._pressed.update(dict.fromkeys(batch, times + 1))
            alone = min(alone, 2**times)
        for user, taken in batch.items():
            if alone > 0:
                self._alone[user] = min(alone, len(taken))
                alone -= len(taken)
            self._make_ready(user)

    def _gather(self, user: User) -> Batch:
        """Take events out of their queues, of this user and of others who are ready, until there are enough."""
        most, ready = self._most(), self._crew.ready
        batch: Batch = {user: self._take(user, most, BATCH_CHARACTERS)}
        events, characters = len(batch[user]), sum(owed.size for owed in batch[user])
        while events < most and characters < BATCH_CHARACTERS and not ready.empty():
            other = ready.get_nowait()
            taken = batch[other] = self._take(other, most - events, BATCH_CHARACTERS - characters)
            events, characters = events + len(taken), characters + sum(owed.size for owed in taken)
        return batch

    def _take(self, user: User, most: int, characters: int) -> list[Owed]:
        """The user's next events, no more than is fair to others who wait; the first one whatever its size."""
        queue, taken = self._queues[user], list[Owed]()
        most = most if self._crew.ready.empty() else min(most, FAIR_EVENTS)
        while queue and not queue[0].is_row and len(taken) < most:
            characters -= queue[0].size
            if characters < 0 and taken:
                break
            taken.append(queue.popleft())
        self.queued -= len(taken)
        return taken

    async def _send(self, batch: Batch) -> BatchFate:
        """What became of it; unless it was taken it is back in its queues."""
        for user, taken in batch.items():
            self.flying[user], self._flying_since[user] = taken[0], time.monotonic()
        fate = BatchFate.REFUSED
        try:
            fate = await self._deliver_together([owed for taken in batch.values() for owed in taken])
        finally:
            for user in batch:
                del self.flying[user], self._flying_since[user]
            if fate is not BatchFate.TAKEN:
                self._put_back(batch)
        return fate

    def _put_back(self, batch: Batch) -> None:
        for user, taken in batch.items():
            self._queues[user].extendleft(reversed(taken))
            self.queued += len(taken)

    def _let_go_on(self, batch: Batch) -> None:
        """All of it was taken."""
        for user, taken in batch.items():
            self._pressed.pop(user, None)
            for owed in taken:
                self._forget(owed)
            if self._queues[user]:
                self._make_ready(user)
            else:
                del self._queues[user]
