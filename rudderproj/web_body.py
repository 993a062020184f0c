"""Reading a request body in the event loop: whole, in time, not too large, or not at all.

Owns the limits. Must never hand out a body that was cut off: an event would be stored that the client still has.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from granian._granian import RSGIProtocolClosed as ProtocolClosed
from granian._granian import RSGIProtocolError as ProtocolError

SMALL_BYTES = 64 * 1024  # read in one step: cheaper, and too small to matter for memory
LINGER_SECONDS = 2.0  # after refusing a body, how long its rest is thrown away, so that the client sees the answer
LINGER_IDLE_SECONDS = 0.25


class BodyCutError(Exception):
    """The client went away, or sent something that is not HTTP, before the end of the body."""


class BodyTooLargeError(Exception):
    """More bytes than allowed were declared or sent."""


class BodyLateError(Exception):
    """The body did not arrive in time, or there is no memory left to wait for it."""


class Receiving(Protocol):
    """The part of granian's protocol object that gives the body."""

    async def __call__(self) -> bytes: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...


class BodyReader:
    """Reads bodies under limits that all requests of this process share. Belongs to one event loop."""

    def __init__(self, max_bytes: int, max_buffered_bytes: int, timeout_seconds: float) -> None:
        self._max_bytes = max_bytes
        self._free_bytes = max_buffered_bytes
        self._timeout_seconds = timeout_seconds
        self._reading: set[asyncio.Timeout] = set()

    def drain(self) -> None:
        """Wait no longer for anybody: the process is about to end."""
        self._timeout_seconds = 0.0
        for timeout in self._reading:
            timeout.reschedule(0.0)

    async def read(self, protocol: Receiving, declared_bytes: int | None) -> bytes:
        """The whole body; `declared_bytes` None means chunked.

        Raises BodyCutError, BodyTooLargeError or BodyLateError.
        """
        if declared_bytes is not None and declared_bytes > self._max_bytes:
            raise BodyTooLargeError
        try:
            async with asyncio.timeout(self._timeout_seconds) as timeout:
                self._reading.add(timeout)
                if declared_bytes is not None and declared_bytes <= SMALL_BYTES:
                    return await protocol()
                return await self._collect(protocol, declared_bytes)
        except TimeoutError:
            raise BodyLateError from None
        except (ProtocolClosed, ProtocolError):
            raise BodyCutError from None
        finally:
            self._reading.discard(timeout)

    async def _collect(self, protocol: Receiving, declared_bytes: int | None) -> bytes:
        chunks: list[bytes] = []
        size = 0
        ended = False
        try:
            async for chunk in protocol:
                if ended:  # granian ends with one empty chunk, and gives one more when the transfer failed
                    raise BodyCutError
                ended = not chunk
                size += len(chunk)
                self._free_bytes -= len(chunk)
                chunks.append(chunk)
                if size > self._max_bytes:
                    raise BodyTooLargeError
                if self._free_bytes < 0:
                    raise BodyLateError
        finally:
            self._free_bytes += size
        if declared_bytes not in (None, size):
            raise BodyCutError
        return b"".join(chunks)


async def discard(protocol: Receiving) -> None:
    """Read on for a moment: closing on a client that is still sending would reset the answer away."""
    chunks = aiter(protocol)
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while await asyncio.wait_for(anext(chunks), LINGER_IDLE_SECONDS):
                pass
    except (TimeoutError, StopAsyncIteration, ProtocolClosed, ProtocolError):
        return
