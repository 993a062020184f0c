"""What a process has in its hands: written into memory that outlives it, so that a death leaves behind what it held.

A file of slots in the process's folder (LIFE_DIR), mapped into memory: the kernel keeps what was written, however the
process ends. Whoever buries it reads the file. Costs under a microsecond a slot. Must never hold a payload, only ids.
"""

import mmap
import os
import struct
from pathlib import Path
from typing import Any

FOLDER_VARIABLE = "LIFE_DIR"
SLOTS = 8192
_SLOT = struct.Struct("<Bqqhqqi")  # is used, destination, connection, lane, replay, xid, position
_FREE, _LINK, _EVENT = 0, 1, 2
_EXAMINED = 4  # added to the kind: this process had nothing else in its hands, on purpose
_pack = _SLOT.pack_into


class Flight:
    """The slots of this process. Threads may share them: each step is one call into C."""

    def __init__(self, path: Path | None, slots: int = SLOTS) -> None:
        """In this file, or in memory that nobody else sees. Raises OSError."""
        size = (slots + 1) * _SLOT.size
        if path is None:
            self._memory = mmap.mmap(-1, size)
        else:
            with path.open("w+b") as file:
                os.posix_fallocate(file.fileno(), 0, size)  # a full disk refuses now, instead of killing at a write
                self._memory = mmap.mmap(file.fileno(), size)
        self._examined = _FREE
        self._free = list(range(_SLOT.size, size, _SLOT.size))[::-1]  # the first slot is for what is read

    def examine(self, is_examining: bool) -> None:
        """Say of what is taken from now on that it is looked into alone, or no more."""
        self._examined = _EXAMINED if is_examining else _FREE

    def take_link(self, destination: int) -> int:
        """Note that a destination's link begins (its configuration, its plugin); a slot, for `give`."""
        slot = self.take_event(destination, 0, -1, 0, 0, -1)
        if slot >= 0:
            self._memory[slot] = _LINK | self._examined
        return slot

    def take_event(self, destination: int, connection: int, lane: int, replay: int, xid: int, position: int) -> int:
        """Note that an event is about to be touched; a slot, for `give`."""
        try:
            slot = self._free.pop()
        except IndexError:
            return -1
        _pack(self._memory, slot, _EVENT | self._examined, destination, connection, lane, replay, xid, position)
        return slot

    def begin_reading(self, destination: int, connection: int, lane: int, replay: int, xid: int, position: int) -> None:
        """Note that an event is about to be parsed: one at a time, so that it costs less than a slot of its own."""
        _pack(self._memory, 0, _EVENT | self._examined, destination, connection, lane, replay, xid, position)

    def end_reading(self) -> None:
        """Note that it has been."""
        self._memory[0] = _FREE

    def give(self, slot: int) -> None:
        """Note that it has been dealt with."""
        if slot >= 0:
            self._memory[slot] = _FREE
            self._free.append(slot)


_mine: tuple[int, Flight] | None = None


def mine() -> Flight:
    """This process's slots, made on first use after the fork; without a folder to write to nobody reads them."""
    global _mine
    if _mine is None or _mine[0] != os.getpid():
        try:
            made = Flight(path_of(os.getpid()))
        except OSError:
            made = Flight(None)
        _mine = os.getpid(), made
    return _mine[1]


def path_of(pid: int) -> Path | None:
    """Where a process of this folder keeps its slots; None when there is no folder."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return Path(folder) / f"flight-{pid}" if folder else None


def read(path: Path) -> list[dict[str, Any]]:
    """What a process had in flight when it died, as crashes keep it (Crash.in_flight); [] if it left nothing.

    `{"destination": 7}` for a link that had just begun; events also have connection, lane, replay, xid and position;
    what the process looked into alone has `"examined": true`.
    """
    try:
        content = path.read_bytes()
    except OSError:
        return []
    found = []
    for kind, destination, *event in _SLOT.iter_unpack(content[: len(content) // _SLOT.size * _SLOT.size]):
        if kind == _FREE:
            continue
        entry = {"destination": destination}
        if kind & _EVENT:
            names = ("connection", "lane", "replay", "xid", "position")
            entry |= dict(zip(names, event, strict=True))
        found.append(entry | ({"examined": True} if kind & _EXAMINED else {}))
    return found
