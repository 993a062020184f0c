"""The clock of the whole machine jumps, database included: an hour ahead, back, and over midnight. By libfaketime."""

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from drills.drill import Drill
from drills.load import Plan
from drills.scene import Scene
from drills.stack import Stack

DAY = 86400
HOUR = 3600
PLACES = ("/usr/lib", "/usr/local/lib")


def _library() -> Path | None:
    return next((path for place in PLACES for path in Path(place).glob("**/faketime/libfaketime.so.1")), None)


def is_missing() -> str:
    """Why clocks cannot be changed here; empty if they can."""
    if os.geteuid() == 0:
        return "as root PostgreSQL changes its user id, which libfaketime does not survive; run as a plain user"
    return "" if _library() else "libfaketime is not there (Debian: apt-get install libfaketime)"


class FakedStack(Stack):
    """A stack that goes by a clock which is `offset_file` seconds ahead."""

    offset_file: Path

    def shift(self, seconds: int) -> None:
        """So many seconds from the true time, from now on."""
        draft = self.offset_file.with_suffix(".new")
        draft.write_text(f"{seconds:+d}\n")
        draft.replace(self.offset_file)


@contextlib.contextmanager
def on_another_clock(folder: Path) -> Iterator[Stack]:
    """A stack on a clock of its own. What counts time passed, not the time of day, is left alone."""
    offset_file = folder.with_name("clock")
    stack = FakedStack(
        folder,
        {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(offset_file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        },
    )
    stack.offset_file = offset_file
    stack.shift(0)
    with stack.running():
        yield stack


def jump(scene: Scene) -> None:
    """An hour ahead, an hour behind, a few seconds before midnight, and right again."""
    stack = scene.staged(FakedStack)
    before_midnight = DAY - int(time.time()) % DAY - 3
    shifts = (HOUR, -HOUR, before_midnight, 0)
    each = (scene.left - 4.0) / len(shifts)
    for seconds in shifts:
        stack.shift(seconds)
        scene.recovering(repeats=1)  # leases of before may be over
        scene.pause(each)


DRILLS: Sequence[Drill] = (
    Drill(
        "clock",
        "the clock jumps ahead, back, over midnight",
        jump,
        plan=Plan(seconds=50),
        stage=on_another_clock,
        needs=is_missing,
    ),
)
