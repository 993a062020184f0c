"""Doorbells on their way to the broker: lost, repeated, held back and sent in another order. Pure but for its chance.

Both kinds: rings, which are pushed onto the forward queue, and news, which are published to links that run. Works on
the bytes of Redis' protocol: each is replaced by a command with the same kind of answer, a number, so that both ends
keep in step. Must never change anything else that passes.
"""

import random
from collections import Counter
from dataclasses import dataclass, field

QUEUE, CHANNEL = b"forward", b"rudderproj:news"
RINGS, NEWS = "rings", "news"
MEDDLED = ("dropped", "repeated", "held")
FATES = ("passed", *MEDDLED)
HELD_MOST = 20
_KINDS = {(b"LPUSH", QUEUE): RINGS, (b"PUBLISH", CHANNEL): NEWS}
_ASK = [b"LLEN", QUEUE]
# PUBLISH takes one message: several have to go as one command, for one answer.
_PUBLISH_ALL = b"for _, m in ipairs(ARGV) do redis.call('PUBLISH', KEYS[1], m) end return #ARGV"


@dataclass
class Doorbells:
    """What happens to a doorbell, in shares of all; the rest arrives as it was sent. `counts`: how often, by kind."""

    chance: random.Random
    drop: float = 0.0
    repeat: float = 0.0
    hold: float = 0.0
    counts: dict[str, Counter[str]] = field(default_factory=lambda: {RINGS: Counter(), NEWS: Counter()})
    _held: dict[str, list[bytes]] = field(default_factory=lambda: {RINGS: [], NEWS: []})

    def way(self) -> "Way":
        """The way of one connection."""
        return Way(self)

    def meddled(self, command: list[bytes]) -> list[bytes] | None:
        """What goes to the broker in place of this command; None for one that is no doorbell."""
        kind = _KINDS.get((command[0].upper(), command[1])) if len(command) > 2 else None
        if kind is None:
            return None
        messages = self._left(kind, command[2:])
        return _sent(kind, messages) if messages else _ASK

    def _left(self, kind: str, messages: list[bytes]) -> list[bytes]:
        """What is to arrive now, in any order."""
        fate, counts = self._fate(kind), self.counts[kind]
        counts[fate] += 1
        if fate == "dropped":
            return []
        if fate == "held":
            self._held[kind] += messages
            return []
        return self._with_held(kind, messages * 2 if fate == "repeated" else messages)

    def _fate(self, kind: str) -> str:
        drawn = self.chance.random()
        if drawn < self.drop:
            return "dropped"
        if drawn < self.drop + self.hold and len(self._held[kind]) < HELD_MOST:
            return "held"
        return "repeated" if drawn < self.drop + self.hold + self.repeat else "passed"

    def _with_held(self, kind: str, messages: list[bytes]) -> list[bytes]:
        """Some of those that were held back go along."""
        held = self._held[kind]
        self.chance.shuffle(held)
        self._held[kind] = held[1::2]
        found = messages + held[::2]
        self.chance.shuffle(found)
        return found


def _sent(kind: str, messages: list[bytes]) -> list[bytes]:
    """The one command that sends them all."""
    if kind == RINGS:
        return [b"LPUSH", QUEUE, *messages]
    if len(messages) == 1:
        return [b"PUBLISH", CHANNEL, *messages]
    return [b"EVAL", _PUBLISH_ALL, b"1", CHANNEL, *messages]


class Way:
    """Bytes from a client to the broker, command by command."""

    def __init__(self, doorbells: Doorbells) -> None:
        self._doorbells = doorbells
        self._data = b""

    def __call__(self, data: bytes) -> bytes:
        self._data += data
        out = b""
        while (found := _command(self._data)) is not None:
            command, length = found
            raw, self._data = self._data[:length], self._data[length:]
            other = self._doorbells.meddled(command)
            out += raw if other is None else encoded(other)
        return out


def encoded(command: list[bytes]) -> bytes:
    """A command as it is sent."""
    return b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in command)


def _command(data: bytes) -> tuple[list[bytes], int] | None:
    """The first command and how many bytes it takes; None while it is not whole."""
    if not data.startswith(b"*") or (end := data.find(b"\r\n")) < 0:
        return None
    parts, at = [], end + 2
    for _ in range(int(data[1:end])):
        if (end := data.find(b"\r\n", at)) < 0:
            return None
        start = end + 2
        at = start + int(data[at + 1 : end]) + 2
        if len(data) < at:
            return None
        parts.append(data[start : at - 2])
    return parts, at
