"""A fixed number of threads that work for coroutines of one event loop.

Owns the threads. Must never keep a coroutine waiting for ever: work that hangs is given up, though it goes on unheard.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class WorkLateError(Exception):
    """The work took longer than anybody waits."""


class Pool(Generic[T]):
    """Threads that run callables for coroutines of the event loop it was made in."""

    def __init__(self, name: str, threads: int, patience_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._patience_seconds = patience_seconds
        self._jobs: queue.SimpleQueue[tuple[Callable[[], T], asyncio.Future[T]]] = queue.SimpleQueue()
        for number in range(threads):
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True).start()

    async def run(self, job: Callable[[], T]) -> T:
        """The job's result, or its exception. Raises WorkLateError."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((job, future))
        timer = self._loop.call_later(self._patience_seconds, _fail, future, WorkLateError())
        try:
            return await future
        finally:
            timer.cancel()

    def _run(self) -> None:
        while True:
            job, future = self._jobs.get()
            try:
                result = job()
            except Exception as error:  # noqa: BLE001 - handed to the coroutine that waits for it
                self._loop.call_soon_threadsafe(_fail, future, error)
            else:
                self._loop.call_soon_threadsafe(_finish, future, result)


def _finish(future: "asyncio.Future[Any]", result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: "asyncio.Future[Any]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
