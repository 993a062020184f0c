"""Sending side by side for different users, one after the other for one user.

Owns the users' queues and who may go on. Must never send a user's next event before the fate of the one before is
known, and never starts a request after its deadline.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable

from destinations.reader import Owed

FAIR_EVENTS = 10  # one user's events in a row before the others have their turn

User = tuple[int, str]


class Courier:
    """Queues per user, and senders. `deliver(owed)` says whether the user may go on; who sets `stopping` ends it."""

    def __init__(self, deliver: Callable[[Owed], Awaitable[bool]], stopping: asyncio.Event, senders: int) -> None:
        self._deliver = deliver
        self._queues: dict[User, deque[Owed]] = {}
        self._ready: asyncio.Queue[User] = asyncio.Queue()
        self._blocked: set[User] = set()
        self._flying_since: dict[User, float] = {}
        self.stopping = stopping
        self.flying: dict[User, Owed] = {}
        self.queued = 0
        self.sizes: Counter[int] = Counter()  # of what is queued or in flight, by lane id
        self.events: Counter[int] = Counter()  # the same, how many
        self._tasks: list[asyncio.Task[None]] = []
        self.senders = 0
        self.allow(senders)

    def allow(self, senders: int) -> None:
        """Have so many senders from now on. One too many ends with what it does; one that failed stays to tell."""
        if senders == self.senders or self.stopping.is_set():
            return
        self.senders = senders
        for number in range(senders):
            if number == len(self._tasks):
                self._tasks.append(asyncio.create_task(self._sender(number)))
            elif self._tasks[number].done() and not self._tasks[number].exception():
                self._tasks[number] = asyncio.create_task(self._sender(number))

    def add(self, owed: Owed) -> None:
        """Queue an event behind the user's others."""
        queue = self._queues.get(owed.user)
        if queue is None:
            queue = self._queues[owed.user] = deque()
            self._ready.put_nowait(owed.user)
        queue.append(owed)
        self.queued += 1
        self.sizes[owed.lane.id] += owed.size
        self.events[owed.lane.id] += 1

    def users(self) -> frozenset[User]:
        """Who has events queued or in flight, or is blocked."""
        return frozenset(self._queues)

    @property
    def busy_users(self) -> int:
        """How many those are."""
        return len(self._queues)

    def take_queue(self, user: User) -> list[Owed]:
        """Remove what a blocked user has queued, to be kept as rows; the user is no longer blocked."""
        self._blocked.discard(user)
        taken = list(self._queues.pop(user, ()))
        self.queued -= len(taken)
        for owed in taken:
            self._forget(owed)
        return taken

    def _forget(self, owed: Owed) -> None:
        self.sizes[owed.lane.id] -= owed.size
        self.events[owed.lane.id] -= 1

    def unblock(self, user: User) -> None:
        """Let a blocked user go on with the next event."""
        self._blocked.discard(user)
        if self._queues.get(user):
            self._ready.put_nowait(user)
        else:
            self._queues.pop(user, None)

    def hangs(self, seconds: float) -> set[User]:
        """Whose request has been in flight for longer than this."""
        before = time.monotonic() - seconds
        return {user for user, since in self._flying_since.items() if since < before}

    def moving(self, seconds: float) -> int:
        """How many queued events are not behind a failure, nor behind a request in flight for longer than this."""
        return self.queued - sum(len(self._queues[user]) for user in self._blocked | self.hangs(seconds))

    def stop(self) -> None:
        """Start no further request; what is queued stays unsettled."""
        self.stopping.set()

    async def cancel(self) -> None:
        """End every sender now, requests in flight included."""
        self.stopping.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def failure(self) -> BaseException | None:
        """What ended a sender that should still run: a defect of ours, which must end the link."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception():
                return task.exception()
        return None

    async def _sender(self, number: int) -> None:
        while not self.stopping.is_set():  # a request that ends as it is cancelled may swallow the cancellation
            user = await self._ready.get()
            if number >= self.senders:
                self._ready.put_nowait(user)
                return
            await self._work(user)

    async def _work(self, user: User) -> None:
        """What this user has, as long as it is not too much at once."""
        for _ in range(FAIR_EVENTS):
            if self.stopping.is_set() or not await self._next(user):
                return
        self._ready.put_nowait(user)

    async def _next(self, user: User) -> bool:
        """Send the user's next event; False when the user has none or may not go on."""
        queue = self._queues[user]
        owed = queue.popleft()
        self.queued -= 1
        self.flying[user], self._flying_since[user] = owed, time.monotonic()
        try:
            may_go_on = await self._deliver(owed)
        finally:
            del self.flying[user], self._flying_since[user]
            self._forget(owed)
        if not may_go_on:
            self._blocked.add(user)
            return False
        if not queue:
            del self._queues[user]
            return False
        return True
