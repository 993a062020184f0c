"""What a fault has at hand: the stack, the load, its time, chance that can be repeated, and a place to note things."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from drills.judging import UNCHECKPOINTED, Marks
from drills.load import Load
from drills.stack import Stack

REST_SECONDS = 6.0  # of load after the last blow, to see it recover
S = TypeVar("S", bound=Stack)


@dataclass
class Scene:
    """One drill while it runs. `seconds` is how long the load goes on from `began_at` (monotonic)."""

    stack: Stack
    load: Load
    seconds: float
    chance: random.Random
    marks: Marks = field(default_factory=Marks)
    began_at: float = field(default_factory=time.monotonic)

    def staged(self, kind: type[S]) -> S:
        """The stack, which is of this kind on the drill's own stage."""
        if not isinstance(self.stack, kind):
            raise TypeError("this drill needs its own stage")
        return self.stack

    @property
    def left(self) -> float:
        """Seconds of load that are left."""
        return self.began_at + self.seconds - time.monotonic()

    def recovering(self, repeats: int = 0) -> None:
        """From now on things should go well again; `repeats` forwarding processes lost what they had not noted."""
        self.marks.recoveries.append(self.now())
        self.marks.may_repeat += repeats * UNCHECKPOINTED

    def complain(self, of: str) -> None:
        """Something is wrong that no figure says."""
        self.marks.complaints.append(of)

    def note(self, line: str) -> None:
        """Something else that was measured, for the table."""
        self.marks.notes.append(line)

    @staticmethod
    def now() -> float:
        """The moment, by the clock of the ledger."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))

    def blows(self, calm: float = 2.0, rest: float = REST_SECONDS) -> Iterator[int]:
        """Strike, let it recover, wait about `calm` seconds, and again until only `rest` seconds of load are left."""
        number = 1
        while True:
            yield number
            if self.marks.recoveries:
                self._recovered(self.marks.recoveries[-1])
            pause = calm * self.chance.uniform(0.5, 1.5)
            if self.left - pause < rest:
                return
            self.pause(pause)
            number += 1

    def beats(self, every: float, rest: float = REST_SECONDS) -> Iterator[int]:
        """Strike every so many seconds, recovered or not, until only `rest` seconds of load are left."""
        number = 1
        while True:
            yield number
            if self.left - every < rest:
                return
            self.pause(every)
            number += 1

    def _recovered(self, since: float) -> None:
        while self.left > 0 and not self.load.is_flowing(since):
            self.pause(0.05)
