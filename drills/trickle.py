"""A client of the drill's own beside verify: events one after the other, with when each was sent and acknowledged."""

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from drills.api import TIMEOUT_SECONDS, post_event
from drills.stack import NotSo, Stack

USERS = 8
LAST_SECONDS = 60.0  # for the last event, once the block is over


@dataclass(frozen=True)
class Sent:
    """An acknowledged event. Moments are monotonic seconds: before the first try, after the acknowledgement."""

    message_id: str
    began: float
    ended: float


@dataclass
class Trickle:
    """What was sent so far, in order."""

    events: list[Sent] = field(default_factory=list)
    is_over: bool = False  # and everything that was begun is acknowledged

    @property
    def users(self) -> list[list[Sent]]:
        """What each has sent, in order."""
        return [self.events[user::USERS] for user in range(USERS)]


@contextlib.contextmanager
def trickling(stack: Stack, write_key: str, every_seconds: float) -> Iterator[Trickle]:
    """Send until the end of the block; what was begun then is sent until it is acknowledged. Raises NotSo."""
    trickle, over = Trickle(), threading.Event()
    # A daemon, for a program that is ended; and nothing is sent for ever to a stack that does not come back.
    thread = threading.Thread(target=_send, args=(stack, write_key, every_seconds, trickle, over), daemon=True)
    thread.start()
    try:
        yield trickle
    finally:
        over.set()
        thread.join(LAST_SECONDS + TIMEOUT_SECONDS)
    if not trickle.is_over:
        raise NotSo(f"an event was not acknowledged within {LAST_SECONDS:.0f} s, or its sender died")


def _send(stack: Stack, write_key: str, every_seconds: float, trickle: Trickle, over: threading.Event) -> None:
    while not over.wait(every_seconds):
        number = len(trickle.events)
        message_id = f"{write_key}-{number}"
        event = {"messageId": message_id, "userId": f"trickle-{number % USERS}", "event": "Trickled"}
        began, deadline = time.monotonic(), None
        while not is_taken(stack, write_key, event):
            if over.is_set():
                deadline = deadline or time.monotonic() + LAST_SECONDS
                if time.monotonic() > deadline:
                    return
            time.sleep(0.2)
        trickle.events.append(Sent(message_id, began, time.monotonic()))
    trickle.is_over = True


def is_taken(stack: Stack, write_key: str, event: dict[str, Any]) -> bool:
    """Whether it was acknowledged, by an answer that came."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return post_event(stack, write_key, event)
    return False
