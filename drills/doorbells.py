"""Doorbells on their way to the broker: lost, repeated, held back and sent in another order. Pure but for its chance.

Works on the bytes of Redis' protocol: a push onto the forward queue is replaced by commands with the same kind of
answer, so that both ends keep in step. Must never change anything else that passes.
"""

import random
from dataclasses import dataclass, field

QUEUE = b"forward"
HELD_MOST = 20


@dataclass
class Doorbells:
    """What happens to a push, in shares of all; the rest arrives as it was sent. `counts`: how often it happened."""

    chance: random.Random
    drop: float = 0.0
    repeat: float = 0.0
    hold: float = 0.0
    counts: dict[str, int] = field(default_factory=lambda: {"passed": 0, "dropped": 0, "repeated": 0, "held": 0})
    _held: list[bytes] = field(default_factory=list)

    def way(self) -> "Way":
        """The way of one connection."""
        return Way(self)

    def pushed(self, command: list[bytes]) -> list[bytes]:
        """What goes to the broker in place of this push; its answer is a number too."""
        _, queue, *messages = command
        fate = self.chance.random()
        if fate < self.drop:
            self.counts["dropped"] += 1
            return [b"LLEN", queue]
        if fate < self.drop + self.hold and len(self._held) < HELD_MOST:
            self.counts["held"] += 1
            self._held += messages
            return [b"LLEN", queue]
        if fate < self.drop + self.hold + self.repeat:
            self.counts["repeated"] += 1
            messages = messages * 2
        self.counts["passed"] += 1
        return [b"LPUSH", queue, *self._with_held(messages)]

    def _with_held(self, messages: list[bytes]) -> list[bytes]:
        """Some of those that were held back go along, in any order."""
        self.chance.shuffle(self._held)
        late, self._held = self._held[::2], self._held[1::2]
        found = messages + late
        self.chance.shuffle(found)
        return found


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
            is_push = len(command) > 2 and command[0].upper() == b"LPUSH" and command[1] == QUEUE
            out += encoded(self._doorbells.pushed(command)) if is_push else raw
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
