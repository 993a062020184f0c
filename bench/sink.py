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

from destinations.oracle.script import OK, Reply
from destinations.oracle.server import Exchange, Request
from destinations.verify.numbers import percentiles


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


class Sink:
    """What has been seen, and the answers."""

    def __init__(self) -> None:
        self._ledger = Ledger()

    def answer(self, request: Request) -> Reply:
        """Note a delivery, or answer a question."""
        return self._control(request.path) if request.method == b"GET" else self._deliver(request.body)

    def _deliver(self, body: bytes) -> Reply:
        event = orjson.loads(body)
        properties = event["properties"]
        self._ledger.add(event["userId"], properties["number"], (time.time() - properties["due_at"]) * 1000)
        return OK

    def _control(self, path: bytes) -> Reply:
        if path == b"/reset":
            self._ledger = Ledger()
            return OK
        if path == b"/report":
            return _json(asdict(self._ledger.report()))
        return _json({"delivered": self._ledger.delivered})


def _json(value: dict[str, Any]) -> Reply:
    return Reply(body=json.dumps(value))


async def serve(port: int) -> None:
    """Serve until killed."""
    sink, loop = Sink(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Exchange(sink.answer), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
