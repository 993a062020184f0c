"""Programs that run beside us, each with a log of its own.

Must never leave one behind, whatever ends the run, nor end anything but by the pid that it started.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from drills.stack import NotSo


class Children:
    """All that a run started; on leaving the block they are killed, the last one first: nothing of theirs is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: dict[subprocess.Popen[bytes], str] = {}
        self._lasting: set[subprocess.Popen[bytes]] = set()  # those that may not end by themselves

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._started):
            process.kill()
            process.wait()

    def start(self, name: str, command: Sequence[str], ends: bool = False) -> subprocess.Popen[bytes]:
        """Ctrl-C is for us alone: they are in a session of their own. `ends`: by itself, one day."""
        with (self._folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._started[process] = name
        if not ends:
            self._lasting.add(process)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """At once, as a machine that loses power."""
        del self._started[process]
        self._lasting.discard(process)
        process.kill()
        process.wait()

    def require_alive(self) -> None:
        """Raises NotSo naming those that ended by themselves and should not have."""
        ended = [
            name for process, name in self._started.items() if process in self._lasting and process.poll() is not None
        ]
        if ended:
            raise NotSo(f"ended by itself: {', '.join(ended)}")
