"""The least of an HTTP server, cheap enough to measure with: a connection has one request at a time.

What to answer is decided as each request arrives, by who owns the server.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from destinations.oracle.script import Manner, Reply

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close sends an RST


class Request(NamedTuple):
    """One that has arrived whole."""

    method: bytes
    path: bytes
    head: bytes
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """By their names in lower case."""
        lines = (line.partition(":") for line in self.head.decode("latin-1").split("\r\n")[1:])
        return {name.lower(): value.strip() for name, _, value in lines}


Answer: TypeAlias = Callable[[Request], Reply]
Ending: TypeAlias = Callable[[Request, Reply, bool], None]  # whether the client was still there


class Exchange(asyncio.Protocol):
    """One connection, in `connections` while it is open. `answer` is called for each request: what to do with it.

    `ending` is called for a reply with a delay: just before it is given, or when the client hangs up before that.
    """

    def __init__(
        self, answer: Answer, connections: "set[Exchange] | None" = None, ending: Ending = lambda *_: None
    ) -> None:
        self._answer, self._ending = answer, ending
        self._delayed: tuple[Request, Reply, asyncio.TimerHandle] | None = None
        self._connections = set() if connections is None else connections
        self._received = b""
        self.is_busy = False  # with a request that is not answered yet
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self._transport = None
        self._connections.discard(self)
        if self._delayed:
            request, chosen, timer = self._delayed
            timer.cancel()
            self._delayed = None
            self._ending(request, chosen, False)

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._go_on()

    def _go_on(self) -> None:
        while self._transport and not self.is_busy:
            head, found, rest = self._received.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or 0)
            if not found or len(rest) < length:
                return
            self._received = rest[length:]
            method, path, _ = head.split(b" ", 2)
            self.is_busy = True
            request = Request(method, path, head, rest[:length])
            self._reply(request, self._answer(request))

    def cut(self) -> None:
        """End it, whatever is under way."""
        if self._transport:
            self._transport.abort()

    def _reply(self, request: Request, chosen: Reply) -> None:
        if chosen.manner is Manner.HANG:
            return
        if chosen.delay_seconds:
            timer = asyncio.get_running_loop().call_later(chosen.delay_seconds, self._late, request, chosen)
            self._delayed = request, chosen, timer
        else:
            self._act(chosen)

    def _late(self, request: Request, chosen: Reply) -> None:
        self._delayed = None
        self._ending(request, chosen, True)
        self._act(chosen)
        self._go_on()

    def _act(self, chosen: Reply) -> None:
        self.is_busy = False
        if self._transport is None:
            return
        if chosen.manner is Manner.RESET:
            plain: socket.socket = self._transport.get_extra_info("socket")
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
            return
        extra = f"retry-after: {chosen.retry_after}\r\n" if chosen.retry_after is not None else ""
        body = chosen.body.encode()
        head = f"HTTP/1.1 {chosen.status} x\r\n{extra}content-length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


def listener(host: str, port: int) -> socket.socket:
    """Bound to this address, a free port for 0. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(address)
    bound.setblocking(False)
    return bound
