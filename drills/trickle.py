"""A client of the drill's own beside verify: events one after the other, with when each was sent and acknowledged."""

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from drills.api import post_event
from drills.stack import Stack

USERS = 8


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


@contextlib.contextmanager
def trickling(stack: Stack, write_key: str, every_seconds: float) -> Iterator[Trickle]:
    """Send until the end of the block; what was begun then is sent until it is acknowledged."""
    trickle, over = Trickle(), threading.Event()

    def send() -> None:
        number = 0
        while not over.wait(every_seconds):
            message_id = f"{write_key}-{number}"
            event = {"messageId": message_id, "userId": f"trickle-{number % USERS}", "event": "Trickled"}
            began = time.monotonic()
            while not _is_taken(stack, write_key, event):
                time.sleep(0.2)
            trickle.events.append(Sent(message_id, began, time.monotonic()))
            number += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield trickle
    finally:
        over.set()
        thread.join(120)


def _is_taken(stack: Stack, write_key: str, event: dict[str, Any]) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return post_event(stack, write_key, event)
    return False
