"""A destination on a real socket that answers each event as its script says, and records every arrival in order.

The script of an event is its own `properties.answers`, else the one registered for its message id, else 200. A batch is
answered as the first of its events that would not be taken; then none of them has arrived. Runs in a thread of its own,
so that tests and commands need no event loop. Must never drop an arrival, answered or not.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import orjson

from destinations.oracle.script import Reply, Step, replies, reply
from destinations.oracle.server import Exchange, Request, listener


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request, noted when it had arrived whole and before it was answered."""

    at: float  # monotonic seconds
    message_id: str
    attempt: int  # 1 for the event's first arrival
    reply: Reply  # what the sink did then
    path: str
    headers: dict[str, str] = field(repr=False)

    @property
    def is_final(self) -> bool:
        """Whether the event was done with by this arrival."""
        return self.reply.is_final


class Sink:
    """`with Sink() as sink:` listens on a free port of 127.0.0.1; sink.url is where to send."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.scripts: dict[str, tuple[Reply, ...]] = {}
        self.batches: list[tuple[str, ...]] = []  # message ids of each request for several events, taken or not
        self.refuses_batches = False
        self.everyone: Reply | None = None  # answers all events alike while set: a destination that is down
        self.most_in_flight = 0
        self._attempts: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._open: set[Exchange] = set()
        self._socket = listener("127.0.0.1", 0)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, name="oracle-sink", daemon=True)

    @property
    def url(self) -> str:
        """Where to send events."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def in_flight(self) -> int:
        """How many requests are not answered yet."""
        return sum(exchange.is_busy for exchange in list(self._open))

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
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
        self._socket = listener("127.0.0.1", self.port)
        self._call(self._listen())

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

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(self._exchange, sock=self._socket, backlog=1024)

    def _exchange(self) -> Exchange:
        return Exchange(self._arrived, self._open)

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for exchange in list(self._open):
            exchange.cut()
        await asyncio.sleep(0)

    def _arrived(self, request: Request) -> Reply:
        body = orjson.loads(request.body)
        events = body.get("batch", [body])
        ids = [str(event.get("messageId")) for event in events]
        answers = [self.everyone or self._scripted(event, name) for event, name in zip(events, ids, strict=True)]
        chosen = next((answer for answer in answers if not answer.takes), answers[0])
        if "batch" in body and self.refuses_batches:
            chosen = Reply(400)
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        with self._changed:
            if "batch" in body:
                self.batches.append(tuple(ids))
            if "batch" not in body or chosen.takes:
                self.arrivals += [self._noted(name, chosen, request) for name in ids]
            self._changed.notify_all()
        return chosen

    def _noted(self, message_id: str, chosen: Reply, request: Request) -> Arrival:
        self._attempts[message_id] += 1
        attempt, path = self._attempts[message_id], request.path.decode()
        return Arrival(time.monotonic(), message_id, attempt, chosen, path, request.headers)

    def _scripted(self, event: dict[str, Any], message_id: str) -> Reply:
        attempt = self._attempts[message_id] + 1
        properties = event.get("properties")
        own = properties.get("answers") if isinstance(properties, dict) else None
        if own:
            return reply(own[min(attempt, len(own)) - 1])
        script = self.scripts.get(message_id) or replies(())
        return script[min(attempt, len(script)) - 1]
