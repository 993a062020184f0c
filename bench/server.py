"""What is measured, ours or another's, as the scenarios see it; and the sink as its owner sees it."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

from drills.stack import ROOT, Stack, eventually

ASK_SECONDS = 60.0  # a report about millions of events takes its time


class Sink:
    """The sink's process, from outside. Methods raise OSError when it does not answer."""

    def __init__(self, port: int, pid: int) -> None:
        self.port, self.pid = port, pid

    def reset(self, run: str) -> None:
        """Start anew, for the users of this run."""
        self._ask(f"/reset/{run}")

    def answer_after(self, milliseconds: float) -> None:
        """Every answer takes so long."""
        self._ask(f"/answer/{milliseconds}")

    def hang(self, destination: str) -> None:
        """Answer this destination no more; empty: answer all again."""
        self._ask(f"/hang/{destination}")

    def delivered(self, without: str = "") -> int:
        """How many have come, each counted once."""
        return int(self._ask(f"/count?without={without}")["delivered"])

    def report(self, without: str = "") -> dict[str, Any]:
        """A ledger.Seen of all destinations but one, and `strays`."""
        return self._ask(f"/report?without={without}")

    def is_there(self) -> bool:
        """Whether it answers yet."""
        with contextlib.suppress(OSError):
            self.delivered()
            return True
        return False

    def _ask(self, path: str) -> dict[str, Any]:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=ASK_SECONDS) as answer:
            return dict(json.loads(answer.read()))


@dataclass(frozen=True)
class Server:
    """Where to send, and what arrives where. `pids` are the main processes by role; empty where nobody knows them."""

    host: str
    port: int
    write_keys: list[str]  # of sources that are connected to every destination
    unconnected: str  # the write key of a source without destinations; empty: there is none
    destinations: int
    sink: Sink
    pids: Callable[[], dict[str, int]]
    stack: Stack | None = None  # ours alone

    @property
    def own(self) -> Stack:
        """Our stack, for what only ours can be told to do."""
        if self.stack is None:
            raise RuntimeError("only for a stack of ours")
        return self.stack


@contextlib.contextmanager
def sinking(port: int) -> Iterator[Sink]:
    """A sink on this port until the end of the block."""
    process = subprocess.Popen([sys.executable, "-m", "bench.sink", str(port)], cwd=ROOT, env=os.environ)
    try:
        sink = Sink(port, process.pid)
        eventually(sink.is_there, "the sink")
        yield sink
    finally:
        process.terminate()
        process.wait()
