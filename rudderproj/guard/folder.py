"""Where an identity keeps what must outlive its process: its last life, its last words, what it had in flight.

Owns the choice of the identity and the lock that keeps two living processes from sharing one. Where nothing can be
written a temporary folder does for this life, and the database's row for the next.
"""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rudderproj import flight
from rudderproj.guard import say
from rudderproj.guard.life import Life
from rudderproj.stack.saved import DEFAULT_DATA_DIR

NODES_A_HOST = 64
LOCK_SECONDS = 4.0  # a former guard that is ending may wait for the database until then


class Folder:
    """The folder of one identity. `path` is None where not even a temporary one can be had."""

    def __init__(self, path: Path | None, lasts: bool, is_alone: bool = True) -> None:
        self.path = path
        self.lasts = lasts  # the next life finds it
        self.is_alone = is_alone  # nobody else lives under this identity

    def read_life(self) -> Life | None:
        """The life noted last; None when there is none, or nothing that can be read."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            if self.path:
                return Life(**json.loads((self.path / "life.json").read_text()))
        return None

    def write_life(self, life: Life) -> None:
        """Note this life, whole or not at all. A full disk costs the note."""
        with contextlib.suppress(OSError):
            if self.path:
                replace(self.path / "life.json", asdict(life))

    def in_flight(self) -> list[dict[str, Any]]:
        """What processes of the former life left behind; see rudderproj.flight."""
        paths = sorted(self.path.glob("flight-*")) if self.path else []
        return [entry for path in paths for entry in flight.read(path)]

    def spool(self) -> Path | None:
        """Where records wait for the database; None where nothing can be kept."""
        with contextlib.suppress(OSError):
            if self.path:
                (self.path / "spool").mkdir(mode=0o700, exist_ok=True)
                return self.path / "spool"
        return None

    def close(self) -> None:
        """Remove what no next life finds."""
        if self.path and not self.lasts:
            shutil.rmtree(self.path, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what former processes left behind."""
        for pattern in ("flight-*", "fault-*"):
            for path in self.path.glob(pattern) if self.path else ():
                with contextlib.suppress(OSError):
                    path.unlink()


def replace(path: Path, value: Any) -> None:
    """Write JSON, readable by the owner alone; whoever reads sees the former content or this. Raises OSError."""
    beside = path.with_name(f".{path.name}-{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(value, file)
    beside.replace(path)


def take(role: str, environ: Mapping[str, str]) -> tuple[str, Folder]:
    """The identity of this process, and its folder: NODE_ID, else the first of this host and role that is free."""
    root = Path(environ.get("DATA_DIR") or DEFAULT_DATA_DIR).absolute() / "lives"
    given = environ.get("NODE_ID")
    names = [given] if given else [f"{socket.gethostname()}-{role}-{index}" for index in range(1, NODES_A_HOST + 1)]
    is_alone = True
    try:
        for name in names:
            path = root / f"{role}-{quote(name, safe='')}"
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _lock(path, LOCK_SECONDS if given else 0.0):
                return name, Folder(path, lasts=True)
        is_alone = False
        say(f"another process lives as {names[-1]}: NODE_ID must be unique; restarts of this one are not counted")
    except OSError as error:
        say(f"{root}: {error.strerror}; only the database remembers this process")
    try:
        return names[0], Folder(Path(tempfile.mkdtemp(prefix="rudderproj-life-")), lasts=False, is_alone=is_alone)
    except OSError:
        return names[0], Folder(None, lasts=False, is_alone=is_alone)


def _lock(path: Path, patience_seconds: float) -> bool:
    """Hold the folder as long as this process lives; its children do not."""
    descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                return False
            time.sleep(0.02)
        else:
            return True
