"""The last words of a process: its output's end, in memory that outlives whoever writes it."""

import mmap
import struct
from pathlib import Path

SIZE = 1 << 16
_HEAD = struct.Struct("<Q")  # bytes written so far


class Ring:
    """Keeps the last SIZE bytes. For one writer."""

    def __init__(self, path: Path | None) -> None:
        """In this file, begun anew, or in memory that nobody else sees."""
        length = _HEAD.size + SIZE
        if path is None:
            self._memory = mmap.mmap(-1, length)
            return
        with path.open("w+b") as file:
            file.truncate(length)
            self._memory = mmap.mmap(file.fileno(), length)

    def write(self, data: bytes) -> None:
        """Append; the oldest goes."""
        (total,) = _HEAD.unpack_from(self._memory)
        total += max(0, len(data) - SIZE)
        data = data[-SIZE:]
        start = total % SIZE
        first = data[: SIZE - start]
        self._memory[_HEAD.size + start : _HEAD.size + start + len(first)] = first
        if rest := data[len(first) :]:
            self._memory[_HEAD.size : _HEAD.size + len(rest)] = rest
        _HEAD.pack_into(self._memory, 0, total + len(data))

    def read(self) -> bytes:
        """What is kept, oldest first."""
        return _unrolled(self._memory[:])


def read(path: Path) -> bytes:
    """What another process kept there; empty if it left nothing."""
    try:
        return _unrolled(path.read_bytes())
    except OSError:
        return b""


def _unrolled(content: bytes) -> bytes:
    if len(content) < _HEAD.size + SIZE:
        return b""
    (total,) = _HEAD.unpack_from(content)
    kept = content[_HEAD.size :]
    return kept[:total] if total <= SIZE else kept[total % SIZE :] + kept[: total % SIZE]
