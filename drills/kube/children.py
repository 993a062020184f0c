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
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._lasting: set[str] = set()  # names of those that may not end by themselves

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._started.values()):
            process.kill()
            process.wait()

    def start(self, name: str, command: Sequence[str], ends: bool = False) -> subprocess.Popen[bytes]:
        """Ctrl-C is for us alone: they are in a session of their own. `ends`: by itself, one day."""
        with (self._folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._started[name] = process
        if not ends:
            self._lasting.add(name)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """At once, as a machine that loses power."""
        self._started = {name: other for name, other in self._started.items() if other is not process}
        process.kill()
        process.wait()

    def require_alive(self) -> None:
        """Raises NotSo naming those that ended by themselves and should not have."""
        ended = [name for name in self._started if name in self._lasting and self._started[name].poll() is not None]
        if ended:
            raise NotSo(f"ended by itself: {', '.join(ended)}")
