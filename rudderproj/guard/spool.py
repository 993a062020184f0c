"""Records on their way to the database, in order: a file each, so that they outlive the process.

Must never grow without bound, or fail: where no file can be written, memory has to do.
"""

import contextlib
import json
import uuid
from pathlib import Path
from typing import Any

from rudderproj.guard import clock, say
from rudderproj.guard.folder import replace

MOST = 300  # the oldest make room: a database may be away for days

Record = dict[str, Any]


class Spool:
    """The records that wait. For one thread at a time."""

    def __init__(self, folder: Path | None, take_former: bool = True) -> None:
        """`take_former`: begin with what former processes left there."""
        self._folder = folder
        self._waiting: list[tuple[str, Record]] = []
        self._number = 0
        for path in sorted(folder.glob("*.json")) if folder and take_former else ():
            self._read(path)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, record: Record) -> None:
        """Append, with the moment it is about: now, unless it names one."""
        record = {"moment": clock.moment()} | record
        self._number += 1
        name = f"{self._number:08d}-{uuid.uuid4().hex}.json"
        with contextlib.suppress(OSError):
            if self._folder:
                replace(self._folder / name, record)
        self._waiting.append((name, record))
        if len(self._waiting) > MOST:
            self.drop(self._waiting[0][0], f"more than {MOST} records wait")

    def first(self) -> tuple[str, Record] | None:
        """The oldest with its name; it stays until it is done or dropped."""
        return self._waiting[0] if self._waiting else None

    def done(self, name: str) -> None:
        """This one is in the database."""
        self._waiting = [entry for entry in self._waiting if entry[0] != name]
        with contextlib.suppress(OSError):
            if self._folder:
                (self._folder / name).unlink(missing_ok=True)

    def drop(self, name: str, reason: str) -> None:
        """Give this one up, aloud."""
        say(f"the record {name} is given up: {reason}")
        self.done(name)

    def _read(self, path: Path) -> None:
        try:
            self._number = max(self._number, int(path.name.partition("-")[0]))
            self._waiting.append((path.name, json.loads(path.read_text())))
        except (OSError, ValueError):
            with contextlib.suppress(OSError):
                path.unlink()
