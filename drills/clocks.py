"""A clock of a drill's own, by libfaketime: programs that are started with its environment go by it.

What counts time passed, not the time of day, is left alone. The library is the one in the wheel: with Debian 12's,
Python's time.sleep fails then.
"""

import functools
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DAY = 86400
HOUR = 3600
_INSIDE = "vendor/libfaketime/src/libfaketime.so.1"
_TRIAL = "import time; time.sleep(0.01); print(time.time())"


def _library() -> Path:
    spec = importlib.util.find_spec("libfaketime")
    folders = spec.submodule_search_locations if spec else None
    return Path((folders or ["libfaketime"])[0]) / _INSIDE


@functools.cache
def is_missing() -> str:
    """Why clocks cannot be changed here; empty if they can."""
    if not _library().is_file():
        return "libfaketime is not there (requirements-dev.txt)"
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(Path(folder) / "clock")
        clock.shift(HOUR)
        program = [sys.executable, "-c", _TRIAL]
        said = subprocess.run(program, env=os.environ | clock.environ, capture_output=True, text=True, check=False)
    is_ahead = not said.returncode and float(said.stdout) > time.time() + HOUR / 2
    return "" if is_ahead else "libfaketime does not work here"


def before_midnight() -> float:
    """Seconds until the next midnight, UTC."""
    return DAY - time.time() % DAY


class Clock:
    """Some seconds from the true time, none at first."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.shift(0)

    @property
    def environ(self) -> dict[str, str]:
        """What a program is started with."""
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def shift(self, seconds: float) -> None:
        """So many seconds from the true time, from now on."""
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{seconds:+.0f}\n")
        draft.chmod(0o644)  # PostgreSQL may run under another user id
        draft.replace(self._file)
