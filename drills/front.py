"""What stands in front of verify's sink and makes of it a destination that is ill. HTTP/1.1, in a thread of its own.

With TLS if it is given a context, whose certificate may be replaced.

Must never pass on what it does not answer properly: an event that reached the sink and was answered with an error comes
again, rightly, and would look like a duplicate.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Coroutine, Iterator
from enum import StrEnum
from typing import Any

SLOW_SECONDS = 2.0
RETRY_AFTER_SECONDS = 2
GARBAGE = b"\x00\xff\x16\x03 nonsense \r\n\r\n" * 8
_RESET = struct.pack("ii", 1, 0)


class Illness(StrEnum):
    """What is wrong with the destination."""

    NONE = "none"
    DOWN = "down"  # nobody listens
    HANG = "hang"  # takes the request and never answers
    SLOW = "slow"  # answers after SLOW_SECONDS
    RESET = "reset"  # an RST in place of an answer
    GARBAGE = "garbage"  # bytes that are no HTTP
    BUSY = "busy"  # 429 with Retry-After


class Front:
    """Listens on `port`, passes on to the sink's port. `illness` may be changed at any time."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.upstream = 0
        self.illness = Illness.NONE
        self.met = 0  # requests that met an illness
        self.tries: list[tuple[float, str]] = []  # when which event came that was, or had been, asked to come later
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._passing = 0  # requests that are at the sink, and not answered yet
        self._thread = threading.Thread(target=self._loop.run_forever, name="front", daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self.port = 0
        self._call(self._listen())

    def fall_ill(self, illness: Illness) -> None:
        """From now on; connections that are open end."""
        self._call(self._change(illness))

    def close(self) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port, ssl=self._tls)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _shut(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def _end(self) -> None:
        await self._shut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _change(self, illness: Illness) -> None:
        self.illness = illness
        while self._passing:
            await asyncio.sleep(0.01)
        await self._shut()
        if illness is not Illness.DOWN:
            await self._listen()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        if task := asyncio.current_task():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self.upstream)
            self._writers.add(upstream[1])
            while request := await message(reader):
                if not await self._answer(request, writer, upstream):
                    break
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # cancelled at the end, of which Python 3.11 would make a traceback for each connection
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, request: bytes, client: asyncio.StreamWriter, upstream: "Upstream") -> bool:
        """Whether the connection goes on."""
        illness = self.illness
        self.met += illness is not Illness.NONE
        self._note(request, illness)
        if illness is Illness.HANG:
            await asyncio.Event().wait()  # until the connection is ended
        if illness is Illness.RESET:
            client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return False
        if illness is Illness.GARBAGE:
            client.write(GARBAGE)
            return False
        if illness is Illness.BUSY:
            client.write(b"HTTP/1.1 429 Busy\r\nRetry-After: %d\r\nContent-Length: 0\r\n\r\n" % RETRY_AFTER_SECONDS)
            return True
        if illness is Illness.SLOW:
            await asyncio.sleep(SLOW_SECONDS)
        if client.is_closing():
            return False
        self._passing += 1
        try:
            upstream[1].write(request)
            client.write(await message(upstream[0]))
        finally:
            self._passing -= 1
        return True

    def _note(self, request: bytes, illness: Illness) -> None:
        if illness is Illness.BUSY or self.tries:
            event = _event(request)
            if illness is Illness.BUSY or any(event == known for _, known in self.tries):
                self.tries.append((time.monotonic(), event))


def _event(request: bytes) -> str:
    """The id of the event that is in it."""
    return str(json.loads(request.partition(b"\r\n\r\n")[2])["messageId"])


Upstream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def message(reader: asyncio.StreamReader) -> bytes:
    """A request or an answer with its body, as it came; empty at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    _, found, after = head.lower().partition(b"content-length:")
    length = int(after.partition(b"\r\n")[0]) if found else 0
    return head + (await reader.readexactly(length) if length else b"")


@contextlib.contextmanager
def standing(tls: ssl.SSLContext | None = None) -> Iterator[Front]:
    """A front until the end of the block."""
    front = Front(tls)
    try:
        yield front
    finally:
        front.close()
