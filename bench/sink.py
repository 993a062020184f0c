"""The destinations of the benchmark, a process of its own: `python -m bench.sink PORT`, each path a destination.

Answers every POST with 200 and keeps, per destination and user, which numbers came. Told by GET:

    /reset/RUN             start anew; only users whose names begin with RUN count, others are strays
    /answer/MILLISECONDS   answer so late
    /hang/NAME             never answer that destination; /hang/ none
    /count  /report        what came, of all destinations; ?without=NAME leaves one out

Must stay cheap: it shares the machine with what it measures.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import uvloop

from bench.ledger import Ledger, together
from destinations.oracle.script import HANG, OK, Reply
from destinations.oracle.server import Exchange, Request


class Sink:
    """What has been seen, and the answers."""

    def __init__(self) -> None:
        self._run = ""
        self._ledgers: dict[bytes, Ledger] = defaultdict(Ledger)
        self._strays = 0
        self._reply = OK
        self._hanging = b""

    def answer(self, request: Request) -> Reply:
        """Note a delivery, or answer a question."""
        if request.method == b"GET":
            return Reply(body=json.dumps(self._told(request.path.decode())))
        # Not noted: it will come again.
        return HANG if request.path == self._hanging else self._deliver(request.path, request.body)

    def _deliver(self, path: bytes, body: bytes) -> Reply:
        parsed = orjson.loads(body)
        for event in parsed.get("batch") or [parsed]:
            user, properties = event["userId"], event["properties"]
            if user.startswith(self._run):
                latency_ms = (time.time() - properties["due_at"]) * 1000
                self._ledgers[path].add(user, properties["number"], latency_ms)
            else:
                self._strays += 1
        return self._reply

    def _told(self, target: str) -> dict[str, Any]:
        url = urlsplit(target)
        _, what, *rest = url.path.split("/")
        without = {f"/{name}".encode() for name in parse_qs(url.query).get("without", [])}
        ledgers = [ledger for path, ledger in self._ledgers.items() if path not in without]
        match what:
            case "reset":
                self._run, self._strays = rest[0], 0
                self._ledgers.clear()
            case "answer":
                self._reply = Reply(delay_seconds=float(rest[0]) / 1000)
            case "hang":
                self._hanging = f"/{rest[0]}".encode() if rest[0] else b""
            case "count":
                return {"delivered": sum(ledger.seen.delivered for ledger in ledgers)}
            case "report":
                return {**asdict(together(ledgers)), "strays": self._strays}
        return {}


async def serve(port: int) -> None:
    """Serve until killed."""
    sink, loop = Sink(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Exchange(sink.answer), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
