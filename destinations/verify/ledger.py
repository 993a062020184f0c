"""The ledger: a file of JSON lines in which senders and sink note what happens, as it happens.

Each record has `kind`, `at` (Unix time) and `mono` (the machine's monotonic seconds, comparable between its processes).
Several processes append to one file, a whole line in one write, so that a kill leaves it readable. Must never be
written by anybody who has not seen the thing happen.
"""

import os
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

Record = dict[str, Any]


class Kind(StrEnum):
    """What a record tells. `events` are pairs: user and number."""

    RUN = "run"  # a run begins: `run` is its name, `load` what it sends
    SENT = "sent"  # `events` go out for the first time
    ACCEPTED = "accepted"  # `events` are acknowledged
    PUT_OFF = "put_off"  # a try of `events` was answered 429 or 5xx: `status`; they are sent again
    UNANSWERED = "unanswered"  # a try of `events` got no answer: `error`; they are sent again
    REFUSED = "refused"  # `events` are refused for good: `status`
    UNKNOWN = "unknown"  # `events` are given up without ever an answer that says what became of them
    # `message_id` is at the sink, which answers `status` (null: not at all); `final`: for good. `waited`: it was there
    # so many seconds before. `late`: it would have been answered, but whoever had sent it has hung up.
    ARRIVED = "arrived"
    REACHED = "reached"  # `message_id` is at the sink, whose answer has to wait: it has arrived when that goes out
    REPORT = "report"  # a run is over: `report`


class Writer:
    """Appends to the file, which is made when there is none, readable by its owner alone."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, kind: Kind, **fields: Any) -> None:
        """One record, with the time. Raises OSError when it cannot be kept."""
        line = orjson.dumps(
            {"kind": kind, "at": round(time.time(), 6), "mono": round(time.monotonic(), 6), **fields},
            default=tuple,  # named ones are foreign to it
            option=orjson.OPT_APPEND_NEWLINE,
        )
        if os.write(self._file, line) != len(line):
            raise OSError("the ledger's disk is full")

    def close(self) -> None:
        os.close(self._file)


class Reader:
    """Follows a file that is being written, from its present end."""

    def __init__(self, path: Path, *, from_start: bool = False) -> None:
        self._file = path.open("rb")
        if not from_start:
            self._file.seek(0, os.SEEK_END)
        self._part = b""

    def more(self) -> Iterator[Record]:
        """What was appended since. A line that is not whole yet comes with the next call."""
        return map(orjson.loads, self.lines())

    def lines(self) -> Iterator[bytes]:
        """The same as it is written."""
        while chunk := self._file.read(1 << 20):
            *lines, self._part = (self._part + chunk).split(b"\n")
            yield from lines

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> Iterator[Record]:
    """Every whole record of a ledger, also of one whose writers were killed."""
    reader = Reader(path, from_start=True)
    try:
        yield from reader.more()
    finally:
        reader.close()
