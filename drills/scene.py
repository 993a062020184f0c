"""What a fault has at hand: the stack, the load, its time, chance that can be repeated, and a place to note things."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from drills.blows import (
    DEAD_UNNOTED_SECONDS,
    NOTICE_SECONDS,
    ON_ITS_WAY,
    ON_THE_WIRE_SECONDS,
    UNCHECKPOINTED,
    UNNOTED_SECONDS,
    Blow,
)
from drills.judging import Marks, Miss
from drills.load import Load
from drills.stack import Stack

REST_SECONDS = 6.0  # of load after the last blow, to see it recover
S = TypeVar("S", bound=Stack)


@dataclass
class Scene:
    """One drill while it runs. `seconds` is how long the load goes on from its beginning."""

    stack: Stack
    load: Load
    seconds: float
    chance: random.Random
    marks: Marks = field(default_factory=Marks)

    def staged(self, kind: type[S]) -> S:
        """The stack, which is of this kind on the drill's own stage."""
        if not isinstance(self.stack, kind):
            raise TypeError("this drill needs its own stage")
        return self.stack

    @property
    def left(self) -> float:
        """Seconds of load that are left."""
        return self.load.began + self.seconds - time.monotonic()

    def recovering(self) -> None:
        """From now on things should go well again."""
        self.marks.recoveries.append(self.now())

    def struck(
        self,
        since: float | None = None,
        until: float | None = None,
        most: int = UNCHECKPOINTED,
        before: float = UNNOTED_SECONDS,
        after: float = NOTICE_SECONDS,
    ) -> None:
        """Links forgot what they had not noted, `most` events: just now, or at some time between those moments."""
        now = self.now()
        began, ended = (now if moment is None else moment for moment in (since, until))
        self.marks.blows.append(Blow(began, ended, most, before, after))

    def killed(self, since: float | None = None) -> None:
        """Whose links forgot sends nothing any more: it is dead since just now, or at some time since that moment."""
        self.struck(since, before=DEAD_UNNOTED_SECONDS, after=ON_THE_WIRE_SECONDS)

    def healed(self, cut: float) -> None:
        """Before the end of a cut that began then: forgotten was what was sent last, and is what was on its way.

        Nobody's word got through between: what others have sent since may come once more from now on, and no more than
        was on its way when it was cut.
        """
        now = self.now()
        self.struck(cut, cut)
        self.marks.blows.append(Blow(cut, now, ON_ITS_WAY, again_from=now))

    def may_strike(self, rest: float = REST_SECONDS) -> bool:
        """Whether there is load left to see it recover; the first time, whatever is left."""
        return not self.marks.recoveries or self.left >= rest

    def complain(self, of: str) -> None:
        """Something is wrong that no figure says."""
        self.marks.complaints.append(of)

    def took_too_long(self, what: str, took: float, limit: float) -> None:
        """It works, but not in the time that is promised: late, and failed only if asked, or if it is far."""
        self.marks.slow.append(Miss(what, took, limit))

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
        """Strike, let it recover, wait about `calm` seconds, and again until only `rest` seconds of load are left.

        Whoever has to wait for a victim asks `may_strike` afterwards.
        """
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
