"""The load generator, a process of its own: `python -m bench.load PLAN`, where PLAN is a Plan as JSON.

Sends until the time is up, every event until it is accepted, and prints a Sent as JSON. A user's events go over one
connection, each after the answer to the one before, so that the order of acceptance is the order of numbers.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import cycle

import uvloop

from bench import events
from destinations.verify.numbers import percentiles

RETRY_SECONDS = 0.1


@dataclass(frozen=True)
class Plan:
    """What to send. `rate` is events a second over all connections, 0 as fast as they are answered."""

    port: int
    write_key: str
    run: str
    users: int
    connections: int
    batch: int
    seconds: float
    rate: float = 0.0


@dataclass
class Sent:
    """What came of it."""

    accepted: int = 0
    refused: int = 0  # answers other than 200; the events were sent again
    started_at: float = 0.0
    ended_at: float = 0.0
    answer_ms: dict[str, float] = field(default_factory=dict)


class Connection(asyncio.Protocol):
    """One HTTP connection with one request at a time."""

    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if found and len(body) >= _content_length(head) and self._answer:
            self._received = b""
            self._answer.set_result(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())

    async def post(self, request: bytes) -> int:
        """The status of the answer. Raises OSError."""
        if self._transport is None:
            raise ConnectionResetError
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer


def _content_length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)


class Load:
    """Everything that one plan sends."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._sent = Sent(started_at=time.time())
        self._ends_at = self._sent.started_at + plan.seconds
        self._numbers = [0] * plan.users
        self._answer_ms: list[float] = []

    async def run(self) -> Sent:
        await asyncio.gather(*(self._sender(number) for number in range(self._plan.connections)))
        self._sent.ended_at = time.time()
        self._sent.answer_ms = percentiles(self._answer_ms)
        return self._sent

    async def _sender(self, sender: int) -> None:
        plan = self._plan
        users = cycle(range(sender, plan.users, plan.connections))
        connection = Connection()
        for due_at in self._due(sender):
            if due_at > (now := time.time()):
                await asyncio.sleep(due_at - now)
            chosen = [next(users) for _ in range(plan.batch)]
            # The time it was due, not the time it was sent: a pipeline that stalls must not slow its own measurement.
            request = events.request("127.0.0.1", plan.write_key, [self._event(user, due_at) for user in chosen])
            connection = await self._until_accepted(connection, request)

    def _due(self, sender: int) -> Iterator[float]:
        """When this sender's requests are due; evenly between the other senders' at a rate, else always now."""
        plan, count = self._plan, 0
        while (now := time.time()) < self._ends_at:
            if not plan.rate:
                yield now
                continue
            due_at = self._sent.started_at + (count * plan.connections + sender) * plan.batch / plan.rate
            if due_at >= self._ends_at:
                return
            yield due_at
            count += 1

    def _event(self, user: int, due_at: float) -> bytes:
        number = self._numbers[user]
        self._numbers[user] += 1
        return events.event(f"{self._plan.run}-{user}", number, due_at)

    async def _until_accepted(self, connection: Connection, request: bytes) -> Connection:
        """Send until it is accepted; the connection to use next."""
        while True:
            asked_at = time.perf_counter()
            try:
                status = await connection.post(request)
            except OSError:
                connection = await self._connect()
                continue
            if status == 200:
                self._sent.accepted += self._plan.batch
                self._answer_ms.append((time.perf_counter() - asked_at) * 1000)
                return connection
            self._sent.refused += 1
            await asyncio.sleep(RETRY_SECONDS)

    async def _connect(self) -> Connection:
        while True:
            try:
                made = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", self._plan.port)
                return made[1]
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)


def main(plan: Plan) -> None:
    """Run the plan; the result goes to standard output."""
    print(json.dumps(asdict(uvloop.run(Load(plan).run()))))


if __name__ == "__main__":
    main(Plan(**json.loads(sys.argv[1])))
