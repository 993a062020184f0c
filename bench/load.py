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

import uvloop

from bench import events, users
from destinations.verify.numbers import percentiles

RETRY_SECONDS = 0.1


@dataclass(frozen=True)
class Plan:
    """What to send: until `seconds` are over or, unless 0, so many `events` are on their way.

    `rate` is events a second over all connections, 0 as fast as they are answered. Connections take the write keys in
    turn. `size` and `skew` are those of `events` and `users`.
    """

    host: str
    port: int
    write_keys: list[str]
    run: str  # the names of its users begin with it
    users: int
    connections: int
    batch: int
    seconds: float
    rate: float = 0.0
    events: int = 0
    size: int = 0
    skew: float = 0.0


@dataclass
class Sent:
    """What came of it."""

    accepted: int = 0
    refused: int = 0  # answers that asked to try again; the events were sent again
    started_at: float = 0.0
    ended_at: float = 0.0
    cpu_seconds: float = 0.0  # the generator's own
    answer_ms: dict[str, float] = field(default_factory=dict)


class Refused(Exception):
    """The server does not take such requests at all."""


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
        self._left = plan.events or sys.maxsize
        self._numbers = [0] * plan.users
        self._answer_ms: list[float] = []

    async def run(self) -> Sent:
        """Send it all. Raises Refused."""
        async with asyncio.TaskGroup() as senders:
            for number in range(self._plan.connections):
                senders.create_task(self._sender(number))
        self._sent.ended_at = time.time()
        self._sent.cpu_seconds = time.process_time()
        self._sent.answer_ms = percentiles(self._answer_ms)
        return self._sent

    async def _sender(self, sender: int) -> None:
        plan = self._plan
        write_key = plan.write_keys[sender % len(plan.write_keys)]
        chosen = users.sending(range(sender, plan.users, plan.connections), plan.skew, sender)
        connection = Connection()
        for due_at in self._due(sender):
            if due_at > (now := time.time()):
                await asyncio.sleep(due_at - now)
            # The time it was due, not the time it was sent: a pipeline that stalls must not slow its own measurement.
            batch = [self._event(next(chosen), due_at) for _ in range(plan.batch)]
            connection = await self._until_accepted(connection, events.request(plan.host, write_key, batch))

    def _due(self, sender: int) -> Iterator[float]:
        """When this sender's requests are due; at a rate evenly between the other senders', and sent however late."""
        plan, count = self._plan, 0
        while self._left > 0:
            due_at = time.time()
            if plan.rate:
                due_at = self._sent.started_at + (count * plan.connections + sender) * plan.batch / plan.rate
            if due_at >= self._ends_at:
                return
            self._left -= plan.batch
            yield due_at
            count += 1

    def _event(self, user: int, due_at: float) -> bytes:
        number = self._numbers[user]
        self._numbers[user] += 1
        return events.event(f"{self._plan.run}-{user}", number, due_at, self._plan.size)

    async def _until_accepted(self, connection: Connection, request: bytes) -> Connection:
        """Send until it is accepted; the connection to use next. Raises Refused."""
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
            if status < 500 and status != 429:
                raise Refused(f"the server answered {status}")
            self._sent.refused += 1
            await asyncio.sleep(RETRY_SECONDS)

    async def _connect(self) -> Connection:
        while True:
            try:
                loop = asyncio.get_running_loop()
                return (await loop.create_connection(Connection, self._plan.host, self._plan.port))[1]
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)


def main(plan: Plan) -> None:
    """Run the plan; the result goes to standard output."""
    print(json.dumps(asdict(uvloop.run(Load(plan).run()))))


if __name__ == "__main__":
    main(Plan(**json.loads(sys.argv[1])))
