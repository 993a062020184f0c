"""The destination of the benchmark, a process of its own: `python -m bench.sink PORT`.

Answers every POST with 200 and keeps, per user, which numbers came. `GET /report` gives a Seen as JSON, `GET /count`
the number alone, `GET /reset` starts anew. Must stay cheap: it shares the machine with what it measures.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
import uvloop

from bench.numbers import percentiles

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


@dataclass
class Seen:
    """What has arrived since the last reset. `latency_ms` is from due to here."""

    delivered: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    missing: int = 0
    last_at: float = 0.0
    latency_ms: dict[str, float] = field(default_factory=dict)


class Ledger:
    """The order of each user's numbers."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}
        self._missing: set[tuple[str, int]] = set()
        self._latency_ms: list[float] = []
        self._seen = Seen()

    def add(self, user: str, number: int, latency_ms: float) -> None:
        """Note an arrival."""
        seen, expected = self._seen, self._next.get(user, 0)
        if number < expected and (user, number) not in self._missing:
            seen.duplicates += 1
            return
        if number < expected:
            self._missing.discard((user, number))
            seen.out_of_order += 1
        else:
            self._missing.update((user, skipped) for skipped in range(expected, number))
            self._next[user] = number + 1
        seen.delivered += 1
        seen.last_at = time.time()
        self._latency_ms.append(latency_ms)

    @property
    def delivered(self) -> int:
        """Events so far, each counted once."""
        return self._seen.delivered

    def report(self) -> Seen:
        """What was seen so far."""
        self._seen.missing = len(self._missing)
        self._seen.latency_ms = percentiles(self._latency_ms)
        return self._seen


class Sink(asyncio.Protocol):
    """One connection of the server."""

    ledger = Ledger()

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._transport:
            head, found, rest = self._received.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if not found or len(rest) < length:
                return
            self._received = rest[length:]
            self._transport.write(self._control(head) if head.startswith(b"GET ") else self._deliver(rest[:length]))

    def _deliver(self, body: bytes) -> bytes:
        event = orjson.loads(body)
        properties = event["properties"]
        self.ledger.add(event["userId"], properties["number"], (time.time() - properties["due_at"]) * 1000)
        return OK

    def _control(self, head: bytes) -> bytes:
        if head.startswith(b"GET /reset"):
            type(self).ledger = Ledger()
            return OK
        if head.startswith(b"GET /report"):
            return _json(asdict(self.ledger.report()))
        return _json({"delivered": self.ledger.delivered})


def _json(value: dict[str, Any]) -> bytes:
    body = json.dumps(value).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def serve(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
