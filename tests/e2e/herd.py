"""Clients that all come back in the same second, each with what it has kept meanwhile, and behave as SDKs do.

One event after the other over a connection of its own; 429 and 503 are obeyed to the letter of `Retry-After`, which
brings everybody back at once: no jitter makes it easier for the server.
"""

import asyncio
import collections
import json
from dataclasses import dataclass, field

from tests.e2e.http import basic

REFUSED_SECONDS = 0.5  # where nobody listens, nobody says when to come back
ANSWER_SECONDS = 60
PATIENCE_SECONDS = 150


@dataclass
class Herd:
    """`answers` counts the statuses, 0 standing for no answer at all; `turned_away` who has heard anything but 200."""

    port: int
    write_key: str
    clients: int
    events: int
    answers: collections.Counter[int] = field(default_factory=collections.Counter)
    turned_away: set[int] = field(default_factory=set)

    def run(self) -> None:
        """Send everything; returns when all of it was answered 200."""
        asyncio.run(self._all())

    def expected(self) -> dict[str, list[str]]:
        """The message ids of each user, in order."""
        return {f"user-{client}": [self._id(client, n) for n in range(self.events)] for client in range(self.clients)}

    async def _all(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*(self._client(number) for number in range(self.clients)))

    async def _client(self, number: int) -> None:
        connection = _Connection(self.port)
        for event in range(self.events):
            request = self._request(number, event)
            while (wait := await self._wait(connection, request)) is not None:
                self.turned_away.add(number)
                await asyncio.sleep(wait)
        connection.close()

    async def _wait(self, connection: "_Connection", request: bytes) -> float | None:
        """Send once; None when it was accepted, else the seconds after which to try again."""
        try:
            status, headers = await connection.ask(request)
        except (OSError, asyncio.IncompleteReadError):
            connection.close()
            self.answers[0] += 1
            return REFUSED_SECONDS
        self.answers[status] += 1
        return None if status == 200 else float(headers["retry-after"])

    def _id(self, client: int, event: int) -> str:
        return f"{self.write_key}-{client}-{event}"

    def _request(self, client: int, event: int) -> bytes:
        body = json.dumps({"userId": f"user-{client}", "event": "kept", "messageId": self._id(client, event)})
        lines = [
            "POST /v1/track HTTP/1.1",
            "Host: localhost",
            f"Authorization: {basic(self.write_key)['Authorization']}",
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join([*lines, "", body]).encode()


class _Connection:
    """One client's connection, opened when there is something to say."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, dict[str, str]]:
        """Status and headers (lower case) of the answer. Raises OSError or IncompleteReadError."""
        async with asyncio.timeout(ANSWER_SECONDS):
            self._streams = self._streams or await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(request)
            await writer.drain()
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        return int(first.split()[1]), headers

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None
