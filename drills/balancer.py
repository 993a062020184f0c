"""What stands in front of several web processes, as a Service and its Ingress do. HTTP/1.1, in a thread of its own.

Passes each request to a backend that is ready, by turns; while none is, it answers 503 itself. Must never send a
request to a second backend once a first may have it: that is the client's to do.
"""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from drills.front import message
from drills.stack import Stack

CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 8.0  # before its client gives up
PROBE_SECONDS = 0.5
PROBE_ANSWER_SECONDS = 5.0  # as the chart's readiness probe: a busy machine is no dead one
PROBE_FAILURES = 2
AWAY = b"HTTP/1.1 503 Away\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
_PROBE = b"GET /ready HTTP/1.1\r\nHost: balancer\r\nConnection: close\r\n\r\n"


@dataclass
class Backend:
    """A web process. `is_out`: it is about to end, and gets nothing new."""

    host: str
    port: int
    is_ready: bool = False
    is_out: bool = False


class Balancer:
    """Listens on `port` of `host`."""

    def __init__(self, host: str) -> None:
        self.host, self.port = host, 0
        self._backends: dict[Stack, Backend] = {}
        self._turn = 0
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="balancer", daemon=True)
        self._thread.start()
        self._call(self._listen())

    def add(self, *stacks: Stack) -> None:
        """From now on these get requests, as soon as they are ready."""
        self._call(self._add(stacks))

    def take_out(self, stack: Stack, is_out: bool = True) -> None:
        """It gets nothing new any more, as a pod that Kubernetes has begun to end; or it does again."""
        self._backends[stack].is_out = is_out

    def serves(self, stack: Stack) -> bool:
        """Whether it gets requests."""
        return self._backends[stack].is_ready and not self._backends[stack].is_out

    def close(self) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accepted, self.host, 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _add(self, stacks: Sequence[Stack]) -> None:
        for stack in stacks:
            backend = self._backends[stack] = Backend(stack.host, stack.web_port)
            self._keep(asyncio.create_task(self._probe(backend)))

    async def _end(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _probe(self, backend: Backend) -> None:
        failures = 0
        while True:
            answer = b""
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                answer = await _asked(backend, _PROBE, PROBE_ANSWER_SECONDS)
            failures = 0 if answer.startswith(b"HTTP/1.1 200") else failures + 1
            if not failures or failures >= PROBE_FAILURES:
                backend.is_ready = not failures
            await asyncio.sleep(PROBE_SECONDS)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self._keep(task)
        with contextlib.suppress(OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while request := await message(reader):
                writer.write(await self._answer(request))
                await writer.drain()
        writer.close()

    async def _answer(self, request: bytes) -> bytes:
        """Of the first backend that can be connected to. Raises OSError or TimeoutError when that one says nothing."""
        for _ in self._backends:
            backend = self._next()
            if backend is None:
                break
            try:
                opened = await _opened(backend)
            except (TimeoutError, OSError):
                backend.is_ready = False  # until it is probed again
                continue
            return await _exchanged(opened, request, ANSWER_SECONDS)
        return AWAY

    def _next(self) -> Backend | None:
        usable = [one for one in self._backends.values() if one.is_ready and not one.is_out]
        self._turn += 1
        return usable[self._turn % len(usable)] if usable else None


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _opened(backend: Backend) -> Connection:
    # Not wait_for, which in Python 3.11 may swallow a cancellation.
    async with asyncio.timeout(CONNECT_SECONDS):
        return await asyncio.open_connection(backend.host, backend.port)


async def _exchanged(opened: Connection, request: bytes, seconds: float) -> bytes:
    """What is answered, over a connection that is closed afterwards. Raises ConnectionError for no answer."""
    reader, writer = opened
    try:
        writer.write(request)
        async with asyncio.timeout(seconds):
            if answer := await message(reader):
                return answer
        raise ConnectionError("closed without an answer")
    finally:
        writer.transport.abort()


async def _asked(backend: Backend, request: bytes, seconds: float) -> bytes:
    return await _exchanged(await _opened(backend), request, seconds)


@contextlib.contextmanager
def balancing(host: str = "127.0.0.1") -> Iterator[Balancer]:
    """A balancer until the end of the block."""
    balancer = Balancer(host)
    try:
        yield balancer
    finally:
        balancer.close()
