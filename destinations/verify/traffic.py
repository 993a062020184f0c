"""Which users' events are sent next, and what they look like. Pure but for its own random numbers.

Owns the numbering: a user's events count from 0 in the order in which they are sent. Must never hand out a user who
has events in flight.
"""

import base64
import json
import re
from bisect import bisect
from itertools import accumulate
from random import Random
from typing import Any, NamedTuple
from zlib import crc32

from destinations.verify.load import Load

_TRIES = 8  # to draw a user who is free, before the free ones are looked for
_NOISE = 65536
_NUMBERS = re.compile(r"(\d{1,18})-(\d{1,18})", re.ASCII)
_OF_A_RUN = re.compile(r"(.+-\d{1,18})-(\d{1,18})", re.ASCII | re.DOTALL)


class Numbered(NamedTuple):
    """One event: the user and the number in this user's order."""

    user: int
    number: int


def message_id(run: str, event: Numbered) -> str:
    """Names the event; `numbered` reads it."""
    return f"{run}-{event.user}-{event.number}"


def numbered(run: str, message_id: str) -> Numbered | None:
    """The event that a message id names; None when it is none of this run's."""
    found = _NUMBERS.fullmatch(message_id.removeprefix(f"{run}-")) if message_id.startswith(f"{run}-") else None
    return Numbered(int(found[1]), int(found[2])) if found else None


def is_whole(event: dict[str, Any]) -> bool:
    """Whether what a run sent under this message id has arrived as it was sent; of others nobody knows."""
    found = _OF_A_RUN.fullmatch(str(event.get("messageId")))
    if found is None:
        return True
    properties = event.get("properties")
    if not isinstance(properties, dict) or (event.get("userId"), str(properties.get("number"))) != found.groups():
        return False
    return bool(properties.get("sum") == _sum(found[0], str(properties.get("text"))))


def _sum(message_id: str, text: str) -> int:
    return crc32(f"{message_id} {text}".encode())


class Traffic:
    """The part of a load that one process sends: every user whose number leaves `part` when divided by the parts."""

    def __init__(self, load: Load, run: str, part: int) -> None:
        self._run = run
        self._random = Random(f"{load.seed}/{part}")  # noqa: S311 - repeatable, not secret
        self._load = load
        self._users = range(part, load.users, load.parts)
        self._weights = list(accumulate((user + 1) ** -load.zipf for user in self._users))
        self._next = dict.fromkeys(self._users, 0)
        self._busy: set[int] = set()
        self._texts = Random(f"{load.seed}/{part}/texts")  # noqa: S311 - of its own: drawn at other moments
        self._noise = base64.b64encode(self._texts.randbytes(_NOISE)).decode()

    @property
    def share(self) -> float:
        """This part of the whole load's rate, 0 to 1."""
        return float(self._weights[-1] / sum((user + 1) ** -self._load.zipf for user in range(self._load.users)))

    def take(self, most: int | None = None) -> list[Numbered]:
        """The events of the next request, at most so many; empty while every user has one in flight.

        The users are busy until they are freed.
        """
        size = min(self._load.batch.draw(self._random), most or self._load.batch.most)
        users = [user for _ in range(size) if (user := self._draw()) is not None]
        self._busy.update(users)
        return [self._number(user) for user in users]

    def free(self, events: list[Numbered]) -> None:
        """These events' request is over."""
        self._busy.difference_update(event.user for event in events)

    def event(self, event: Numbered) -> dict[str, Any]:
        """As an SDK sends it."""
        size = self._load.payload.draw(self._texts)
        start = self._texts.randrange(_NOISE)
        text = (self._noise[start:] + self._noise * (size // _NOISE + 1))[:size]
        name = message_id(self._run, event)
        return {
            "type": "track",
            "event": "Verified",
            "userId": f"{self._run}-{event.user}",
            "messageId": name,
            "properties": {"number": event.number, "text": text, "sum": _sum(name, text)},
        }

    def _draw(self) -> int | None:
        for _ in range(_TRIES):
            user = self._users[
                bisect(self._weights, self._random.random() * self._weights[-1], 0, len(self._users) - 1)
            ]
            if user not in self._busy:
                return user
        free = [user for user in self._users if user not in self._busy]
        return self._random.choice(free) if free else None

    def _number(self, user: int) -> Numbered:
        number = self._next[user]
        self._next[user] += 1
        return Numbered(user, number)


def body(events: list[dict[str, object]]) -> tuple[str, bytes]:
    """The path and the content of their request: one event to its own route, several as a batch."""
    if len(events) == 1:
        return "/v1/track", json.dumps(events[0]).encode()
    return "/v1/batch", json.dumps({"batch": events}).encode()
