"""A fixed number of threads with a bounded queue, fed from one event loop.

Owns the threads. Must never let work pile up: what cannot be started soon is refused, so that clients come back later.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)
T = TypeVar("T")


class PoolFullError(Exception):
    """As much work waits as may wait."""


class Pool(Generic[T]):
    """Threads that run callables for coroutines of the event loop it was made in."""

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = threads + waiting
        self._outstanding = 0
        self._jobs: queue.SimpleQueue[tuple[Callable[[], T], asyncio.Future[T]]] = queue.SimpleQueue()
        for number in range(threads):
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True).start()

    async def run(self, job: Callable[[], T]) -> T:
        """The job's result, or its exception. Raises PoolFullError at once when too much work waits."""
        if self._outstanding >= self._limit:
            raise PoolFullError
        self._outstanding += 1
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((job, future))
        return await future

    def _run(self) -> None:
        while True:
            job, future = self._jobs.get()
            try:
                result = job()
            except Exception as error:  # noqa: BLE001 - handed to the coroutine that waits for it
                self._loop.call_soon_threadsafe(self._fail, future, error)
            else:
                self._loop.call_soon_threadsafe(self._finish, future, result)

    def _finish(self, future: "asyncio.Future[T]", result: T) -> None:
        self._outstanding -= 1
        if not future.done():
            future.set_result(result)

    def _fail(self, future: "asyncio.Future[T]", error: Exception) -> None:
        self._outstanding -= 1
        if not future.done():
            future.set_exception(error)
