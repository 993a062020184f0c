"""Clients that send like SDKs do: one user's events one after the other, each again until it is accepted."""

import contextlib
import http.client
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any, Protocol

from tests.e2e.http import Answer

PAUSE_SECONDS = 0.05


class Sendable(Protocol):
    """What events can be posted to."""

    def post(self, path: str, value: Any) -> Answer: ...


class Load:
    """Users who send numbered events until stopped.

    `accepted` lists, per user, the numbers answered 200 in order; `refused` counts other answers and none.
    """

    def __init__(self, stack: Sendable, users: int) -> None:
        self._stack = stack
        self.refused = 0
        self._stopping = threading.Event()
        self._run = uuid.uuid4().hex[:8]  # the log may remember what another test sent
        self.accepted: dict[str, list[int]] = {f"user-{number}": [] for number in range(users)}
        self._threads = [threading.Thread(target=self._send, args=(user,)) for user in self.accepted]

    def _send(self, user: str) -> None:
        number = 0
        while not self._stopping.is_set():
            event: dict[str, object] = {
                "userId": user,
                "event": "n",
                "messageId": f"{self._run}-{user}-{number}",
                "properties": {"n": number},
            }
            while not self._is_accepted(event):
                self.refused += 1
                time.sleep(PAUSE_SECONDS)
            self.accepted[user].append(number)
            number += 1

    def _is_accepted(self, event: dict[str, object]) -> bool:
        # An unknown outcome is a failure: the event goes out again under the same message id.
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self._stack.post("/v1/track", event).status == 200
        return False

    @property
    def count(self) -> int:
        return sum(map(len, self.accepted.values()))

    def wait(self, more: int) -> None:
        """Wait until so many more events have been accepted."""
        wanted = self.count + more
        while self.count < wanted:
            assert any(thread.is_alive() for thread in self._threads)
            time.sleep(PAUSE_SECONDS)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """No event after those under way; returns when those are accepted."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(120)


@contextlib.contextmanager
def sending(stack: Sendable, users: int) -> Iterator[Load]:
    """Load until the end of the block."""
    load = Load(stack, users)
    load.start()
    try:
        yield load
    finally:
        load.stop()
