"""A courier for destinations that take several events in one request: what is ready just now goes together.

Events of one user stand in a batch in their order. Only a batch that was taken says something: of any other each event
goes by itself, in the same order, before anything else of its user. Must never settle an event by a batch's refusal.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from destinations.courier import FAIR_EVENTS, Courier, User
from destinations.reader import Owed

BATCH_CHARACTERS = 512 * 1024  # of payloads in one request; an event more where that ends in the middle of one
Batch = dict[User, list[Owed]]


class CourierOfBatches(Courier):
    """`deliver_together(events)` says whether all were taken; `most()` of them go together at most."""

    def __init__(
        self,
        deliver: Callable[[Owed], Awaitable[bool]],
        stopping: asyncio.Event,
        senders: int,
        deliver_together: Callable[[Sequence[Owed]], Awaitable[bool]],
        most: Callable[[], int],
    ) -> None:
        self._deliver_together = deliver_together
        self._most = most
        self._alone: dict[User, int] = {}  # so many of the user's next events go by themselves
        super().__init__(deliver, stopping, senders)

    async def _work(self, user: User) -> None:
        """What this user has and what others have who are ready, together."""
        if self._goes_alone(user):
            await self._one(user)
            return
        batch, other = self._gather(user)
        if len(batch) == 1 and len(batch[user]) == 1:
            self._put_back(batch)
            await self._one(user)
        elif await self._send(batch):
            self._let_go_on(batch)
        else:
            for refused, taken in batch.items():
                self._alone[refused] = len(taken)
                self._ready.put_nowait(refused)
        if other and not self.stopping.is_set():
            await self._one(other)

    async def _next(self, user: User) -> bool:
        if left := self._alone.pop(user, 0) - 1:
            self._alone[user] = left
        if may_go_on := await super()._next(user):
            return may_go_on
        self._alone.pop(user, None)  # what is left of them, if anything, becomes rows
        return False

    async def _one(self, user: User) -> None:
        """One event by itself."""
        if await self._next(user):
            self._ready.put_nowait(user)

    def _goes_alone(self, user: User) -> bool:
        """Whether the user's next event was in a batch that was refused, or failed before."""
        return user in self._alone or self._queues[user][0].is_row

    def _gather(self, first: User) -> tuple[Batch, User | None]:
        """Take events out of their queues, of this user and of others who are ready, until there are enough.

        Or until one whose next event goes alone: named, since whoever took it has to go on with it.
        """
        most = self._most()
        batch: Batch = {first: self._take(first, most, BATCH_CHARACTERS)}
        events, characters = len(batch[first]), sum(owed.size for owed in batch[first])
        while events < most and characters < BATCH_CHARACTERS and not self._ready.empty():
            user = self._ready.get_nowait()
            if self._goes_alone(user):
                return batch, user
            taken = batch[user] = self._take(user, most - events, BATCH_CHARACTERS - characters)
            events, characters = events + len(taken), characters + sum(owed.size for owed in taken)
        return batch, None

    def _take(self, user: User, most: int, characters: int) -> list[Owed]:
        """The user's next events, no more than is fair to others who wait; the first one whatever its size."""
        queue, taken = self._queues[user], list[Owed]()
        most = most if self._ready.empty() else min(most, FAIR_EVENTS)
        while queue and not queue[0].is_row and len(taken) < most:
            characters -= queue[0].size
            if characters < 0 and taken:
                break
            taken.append(queue.popleft())
        self.queued -= len(taken)
        return taken

    async def _send(self, batch: Batch) -> bool:
        """Whether all of it was taken; if not it is back in its queues."""
        for user, taken in batch.items():
            self.flying[user], self._flying_since[user] = taken[0], time.monotonic()
        were_taken = False
        try:
            were_taken = await self._deliver_together([owed for taken in batch.values() for owed in taken])
        finally:
            for user in batch:
                del self.flying[user], self._flying_since[user]
            if not were_taken:
                self._put_back(batch)
        return were_taken

    def _put_back(self, batch: Batch) -> None:
        for user, taken in batch.items():
            self._queues[user].extendleft(reversed(taken))
            self.queued += len(taken)

    def _let_go_on(self, batch: Batch) -> None:
        """All of it was taken."""
        for user, taken in batch.items():
            for owed in taken:
                self._forget(owed)
            if self._queues[user]:
                self._ready.put_nowait(user)
            else:
                del self._queues[user]
