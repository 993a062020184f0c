"""Senders side by side, who each take a user that is ready, and go on with it until it has to wait its turn again.

Must never start anything once told to stop, nor hide what ended a sender that should still run.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

User: TypeAlias = tuple[int, str]
Ready: TypeAlias = "asyncio.Queue[User]"


class Crew:
    """`work(user, is_too_many)`: what is done for one; the function says whether this sender is one too many by now."""

    def __init__(
        self,
        ready: Ready,
        work: Callable[[User, Callable[[], bool]], Awaitable[None]],
        stopping: asyncio.Event,
    ) -> None:
        self.ready = ready
        self._work = work
        self._stopping = stopping
        self.senders = 0
        self._tasks: list[asyncio.Task[None]] = []

    def allow(self, senders: int) -> None:
        """Have so many from now on. One too many ends with what it does; one that failed stays to tell."""
        if senders == self.senders or self._stopping.is_set():
            return
        self.senders = senders
        for number in range(senders):
            if number == len(self._tasks):
                self._tasks.append(asyncio.create_task(self._sender(number)))
            elif self._tasks[number].done() and not self._tasks[number].exception():
                self._tasks[number] = asyncio.create_task(self._sender(number))

    async def cancel(self) -> None:
        """End every sender now, requests in flight included."""
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
        def is_too_many() -> bool:
            return number >= self.senders or self._stopping.is_set()

        while not self._stopping.is_set():  # a request that ends as it is cancelled may swallow the cancellation
            user = await self.ready.get()
            if is_too_many():
                self.ready.put_nowait(user)
                return
            await self._work(user, is_too_many)
