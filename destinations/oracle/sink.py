"""A destination on a real socket that answers each event as its script says, and records every arrival in order.

The script of an event is its own `properties.answers`, else the one registered for its message id, else 200. Runs in a
thread of its own, so that tests and commands need no event loop. Must never drop an arrival, answered or not.
"""

import asyncio
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import orjson

from destinations.oracle.script import Manner, Reply, Step, replies, reply

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close sends an RST


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request, noted when it had arrived whole and before it was answered."""

    number: int  # rises with every arrival at this sink
    at: float  # monotonic seconds
    message_id: str
    attempt: int  # 1 for the event's first arrival
    reply: Reply  # what the sink did then
    path: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_final(self) -> bool:
        """Whether the event was done with by this arrival."""
        return self.reply.is_final


class Sink:
    """`with Sink() as sink:` listens on a free port of 127.0.0.1; sink.url is where to send."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.scripts: dict[str, tuple[Reply, ...]] = {}
        self.everyone: Reply | None = None  # answers all events alike while set: a destination that is down
        self.in_flight = 0
        self.most_in_flight = 0
        self._attempts: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._socket = _listen(0)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, name="oracle-sink", daemon=True)

    @property
    def url(self) -> str:
        """Where to send events."""
        return f"http://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def script(self, message_id: str, steps: Sequence[Step]) -> None:
        """Answer this event so, one step an attempt."""
        self.scripts[message_id] = replies(steps)

    def refuse_connections(self) -> None:
        """Stop listening and cut every connection: the destination is gone."""
        self._call(self._shut())

    def accept_connections(self) -> None:
        """Listen on the same port again."""
        self._socket = _listen(self.port)
        self._call(self._open())

    def of(self, message_id: str) -> list[Arrival]:
        """The arrivals of one event."""
        return [arrival for arrival in list(self.arrivals) if arrival.message_id == message_id]

    def ids(self) -> list[str]:
        """The message id of every arrival, in order."""
        return [arrival.message_id for arrival in list(self.arrivals)]

    def wait_for(self, condition: Callable[["Sink"], bool], seconds: float = 30.0) -> bool:
        """Wait until `condition(sink)` holds, looking after each arrival; False when it never did."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self), seconds)

    def _call(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._socket, backlog=1024)

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while (request := await _read_request(reader)) is not None:
                chosen = self._arrived(*request)
                try:
                    if not await self._answer(chosen, reader, writer):
                        return
                finally:
                    self.in_flight -= 1
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    def _arrived(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        event = orjson.loads(body)
        message_id = str(event.get("messageId"))
        self._attempts[message_id] += 1
        attempt = self._attempts[message_id]
        chosen = self.everyone or self._scripted(event, message_id, attempt)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        with self._changed:
            number = len(self.arrivals)
            self.arrivals.append(Arrival(number, time.monotonic(), message_id, attempt, chosen, path, headers, body))
            self._changed.notify_all()
        return chosen

    def _scripted(self, event: dict[str, Any], message_id: str, attempt: int) -> Reply:
        properties = event.get("properties")
        own = properties.get("answers") if isinstance(properties, dict) else None
        if own:
            return reply(own[min(attempt, len(own)) - 1])
        script = self.scripts.get(message_id) or replies(())
        return script[min(attempt, len(script)) - 1]

    async def _answer(self, chosen: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Do as the script says; False when the connection is over."""
        if chosen.delay_seconds:
            await asyncio.sleep(chosen.delay_seconds)
        if chosen.manner is Manner.HANG:
            await reader.read()  # until the client gives up
            return False
        if chosen.manner is Manner.RESET:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
            return False
        extra = f"retry-after: {chosen.retry_after}\r\n" if chosen.retry_after is not None else ""
        body = chosen.body.encode()
        writer.write(f"HTTP/1.1 {chosen.status} x\r\n{extra}content-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        return True


def _listen(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.setblocking(False)
    return listening


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes] | None:
    """(path, headers, body) of the next request; None when the client is done. Bodies come with content-length."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return first.split(" ")[1], headers, body
