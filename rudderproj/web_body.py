"""Reading a request body in the event loop: whole, in time, not too large, or not at all.

Owns the limits and the memory that requests hold. Must never hand out a body that was cut off: an event would be
stored that the client still has.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import Protocol

from granian._granian import RSGIProtocolClosed as ProtocolClosed
from granian._granian import RSGIProtocolError as ProtocolError

SMALL_BYTES = 64 * 1024  # read in one step: cheaper, and too small to matter for memory
SWEEP_SECONDS = 0.5
LINGER_SECONDS = 2.0  # after refusing a body, how long its rest is thrown away, so that the client sees the answer
LINGER_IDLE_SECONDS = 0.25


class BodyCutError(Exception):
    """The client went away, or sent something that is not HTTP, before the end of the body."""


class BodyTooLargeError(Exception):
    """More bytes than allowed were declared or sent; `rest` gives what is still to come."""

    def __init__(self, rest: AsyncIterator[bytes]) -> None:
        super().__init__()
        self.rest = rest


class BodyLateError(Exception):
    """The body did not arrive in time, or there is no memory left for it; `rest` gives what is still to come."""

    def __init__(self, rest: AsyncIterator[bytes] | None = None) -> None:
        super().__init__()
        self.rest = rest


class Receiving(Protocol):
    """The part of granian's protocol object that gives the body."""

    async def __call__(self) -> bytes: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...


class _Rest:
    """A body's chunks, to be read by one loop and read on by another; granian's own can be asked for only once."""

    def __init__(self, protocol: Receiving) -> None:
        self._chunks = aiter(protocol)

    def __aiter__(self) -> "_Rest":
        return self

    def __anext__(self) -> Awaitable[bytes]:
        return self._chunks.__anext__()


class BodyReader:
    """Reads bodies under limits that all requests of this process share. Belongs to one event loop."""

    def __init__(self, max_bytes: int, memory_bytes: int, timeout_seconds: float) -> None:
        self._max_bytes = max_bytes
        self._free_bytes = memory_bytes
        self._timeout_seconds = timeout_seconds
        self._deadlines: dict[asyncio.Task[None], float] = {}
        self._late: set[asyncio.Task[None]] = set()

    async def sweep(self) -> None:
        """End reads that take too long, for ever. One sweeper is far cheaper than a timer for each request."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._end_reads_due_at(asyncio.get_running_loop().time())

    def drain(self) -> None:
        """Wait no longer for anybody: the process is about to end."""
        self._timeout_seconds = 0.0
        self._end_reads_due_at(float("inf"))

    def hold(self, size: int) -> None:
        """Count memory that a request holds; negative when it lets go."""
        self._free_bytes -= size

    async def read(self, protocol: Receiving, declared_bytes: int | None) -> bytes:
        """The whole body; `declared_bytes` None means chunked.

        Raises BodyCutError, BodyTooLargeError or BodyLateError.
        """
        if declared_bytes is not None and declared_bytes > self._max_bytes:
            raise BodyTooLargeError(_Rest(protocol))
        if self._free_bytes < 0:
            raise BodyLateError(_Rest(protocol))
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("bodies are read by tasks")
        self._deadlines[task] = asyncio.get_running_loop().time() + self._timeout_seconds
        try:
            if declared_bytes is not None and declared_bytes <= SMALL_BYTES:
                return await protocol()
            return await self._collect(protocol, declared_bytes)
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            task.uncancel()
            raise BodyLateError from None
        except (ProtocolClosed, ProtocolError):
            raise BodyCutError from None
        finally:
            del self._deadlines[task]
            self._late.discard(task)

    async def _collect(self, protocol: Receiving, declared_bytes: int | None) -> bytes:
        chunks: list[bytes] = []
        size = 0
        rest = _Rest(protocol)
        try:
            async for chunk in rest:
                if chunks and not chunks[-1]:  # granian ends with one empty chunk; one more: the transfer failed
                    raise BodyCutError
                chunks.append(chunk)
                size += len(chunk)
                self.hold(len(chunk))
                if size > self._max_bytes:
                    raise BodyTooLargeError(rest)
                if self._free_bytes < 0:
                    raise BodyLateError(rest)
        finally:
            self.hold(-size)
        if declared_bytes not in (None, size):
            raise BodyCutError
        return b"".join(chunks)

    def _end_reads_due_at(self, now: float) -> None:
        for task in [task for task, deadline in self._deadlines.items() if deadline <= now]:
            if task not in self._late:
                self._late.add(task)
                task.cancel()


async def discard(rest: AsyncIterator[bytes]) -> None:
    """Read on for a moment: closing on a client that is still sending would reset the answer away."""
    now = asyncio.get_running_loop().time
    end = now() + LINGER_SECONDS
    with contextlib.suppress(TimeoutError, ProtocolClosed, ProtocolError):
        async with asyncio.timeout(LINGER_IDLE_SECONDS) as idle:
            async for _ in rest:
                idle.reschedule(min(end, now() + LINGER_IDLE_SECONDS))
