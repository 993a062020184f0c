"""Sending side by side for different users, one after the other for one user.

Owns the users' queues and who may go on. Must never send a user's next event before the fate of the one before is
known, and never starts a request after its deadline.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable

from destinations.crew import Crew, User
from destinations.reader import Owed

FAIR_EVENTS = 10  # one user's events in a row before the others have their turn


class Courier:
    """Queues per user, and senders. `deliver(owed)` says whether the user may go on; who sets `stopping` ends it."""

    def __init__(self, deliver: Callable[[Owed], Awaitable[bool]], stopping: asyncio.Event) -> None:
        self._deliver = deliver
        self._queues: dict[User, deque[Owed]] = {}
        self._blocked: set[User] = set()
        self._flying_since: dict[User, float] = {}
        self.stopping = stopping
        self.flying: dict[User, Owed] = {}
        self.queued = 0
        self.sizes: Counter[int] = Counter()  # of what is queued or in flight, by lane id
        self.events: Counter[int] = Counter()  # the same, how many
        self._crew = Crew(asyncio.Queue(), self._work, stopping)
        self._crews = [self._crew]

    def allow(self, requests: int, singles: int) -> None:  # noqa: ARG002 - for those that send several together
        """So many may be in flight from now on: each is for a single event."""
        self._crew.allow(singles)

    def _make_ready(self, user: User) -> None:
        """The user's next event may be sent."""
        self._crew.ready.put_nowait(user)

    def add(self, owed: Owed) -> None:
        """Queue an event behind the user's others."""
        queue = self._queues.get(owed.user)
        if queue is None:
            self._queues[owed.user] = deque([owed])
            self._make_ready(owed.user)
        else:
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
            self._make_ready(user)
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
        for crew in self._crews:
            await crew.cancel()

    @property
    def failure(self) -> BaseException | None:
        """What ended a sender that should still run: a defect of ours, which must end the link."""
        return next((failure for crew in self._crews if (failure := crew.failure)), None)

    async def _work(self, user: User, is_too_many: Callable[[], bool]) -> None:
        """What this user has, as long as it is not too much at once."""
        for _ in range(FAIR_EVENTS):
            if not await self._next(user):
                return
            if is_too_many():
                break
        self._make_ready(user)

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
