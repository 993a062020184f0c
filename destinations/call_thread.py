"""A thread that runs calls for an event loop, one after the other, in the order in which they were asked for.

The standard library's executor does so too, for three times the processor: 84 and 26 us a call, of which an event of a
trickle takes several. Must never drop a call that was asked for.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
Job = tuple[asyncio.AbstractEventLoop, asyncio.Future[Any], Callable[[], Any]]


class CallThread:
    """Begins with the first call; ends by stop, or with the process."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def call(self, function: Callable[[], T]) -> "asyncio.Future[T]":
        """In the thread; what it returns or raises. Who gives up waiting does not keep it from being run."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((loop, future, function))
        return future

    def stop(self) -> None:
        """Wait until everything that was asked for is done. Nothing may be asked for afterwards."""
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            loop, future, function = job
            result, error = None, None
            try:
                result = function()
            except BaseException as raised:  # noqa: BLE001 - whoever awaits it gets it
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(_settle, future, result, error)
            del job, future, function, result, error  # what it returned is not to be kept until the next call


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():  # nobody waits any more
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
