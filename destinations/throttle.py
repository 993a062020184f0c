"""How much of a link may be in flight: more while answers come as fast as before, half when too many fail.

A destination tells by 429, by 503, or by not answering. Little's law is the rest: if more in flight is not answered
slower, more is done. Counts events, which are requests unless these carry several. Must never allow more than `most`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from rudderproj.http import Answer

WINDOW_ANSWERS = 32  # so many are compared at least,
SLOW_ANSWERS, SLOW_SECONDS = 4, 1.0  # or so few where they take long
GROWTH = 0.25
HELD = 0.5  # of a raise: so much of it must have become throughput, or it is taken back
BACK = 16  # and a sixteenth more, so that what chance has let through does not add up
PRESSED = 0.1  # of a window: one event that hangs says nothing about all
REST_SECONDS = 5.0  # without a raise, after one that was in vain and after a cut
PRESSING_STATUSES = frozenset({429, 503})


@dataclass(slots=True)
class Window:
    """Answers to requests that began under one limit."""

    began: float
    answers: int = 0
    events: int = 0
    seconds: float = 0.0
    pressed: int = 0
    was_full: bool = False  # as many requests as allowed were in flight at once
    cuts: int = 0  # before it


class Throttle:
    """One link's. Begins at `start`; `limit` is how many events it may have in flight now."""

    def __init__(self, start: int, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = max(1, min(start, most))
        self._most = most
        self._clock = clock
        self._flying = {False: 0, True: 0}  # requests, by whether they are for several events
        self._window = Window(clock())
        self._before: tuple[int, float] | None = None  # the limit before a raise, and the seconds an event took then
        self._rests_until = 0.0
        self._cuts = 0

    def begin(self, allowed: int, together: bool = False) -> Window:
        """A request begins, of so many of its kind that may be in flight. `end` follows, whatever comes of it.

        One that is too many, since senders hear of a cut a moment later, says nothing.
        """
        self._flying[together] += 1
        if self._flying[together] > allowed:
            return Window(0.0, cuts=-1)
        if self._flying[together] == allowed:
            self._window.was_full = True
        return self._window

    def end(self, together: bool = False) -> None:
        """A request is over, answered or not."""
        self._flying[together] -= 1

    def note(self, begun: Window, answer: Answer, events: int = 1) -> None:
        """What came of a request for so many. One that began under another limit says nothing about this one.

        But that it was too much it says of any limit since the last cut: what is not answered in time comes late.
        """
        window = self._window
        if begun.cuts == self._cuts:
            window.pressed += _is_pressing(answer)
        if begun is window:
            window.answers += 1
            window.events += events
            window.seconds += answer.seconds
        whole = max(WINDOW_ANSWERS, self.limit)
        if window.pressed >= whole * PRESSED:
            self._cuts += 1
            self._rest()
            self._set(max(1, self.limit // 2), None)
        elif window.answers >= whole or (
            window.answers >= max(SLOW_ANSWERS, sum(self._flying.values()))
            and self._clock() >= window.began + SLOW_SECONDS
        ):
            self._conclude(window)

    def _conclude(self, window: Window) -> None:
        took, before = window.seconds / window.events, self._before
        if before and window.was_full and took > before[1] * (1 + (self.limit / before[0] - 1) * (1 - HELD)):
            self._rest()
            self._set(before[0] - before[0] // BACK, None)
        elif window.was_full and self.limit < self._most and self._clock() >= self._rests_until:
            raised = min(self._most, self.limit + max(1, int(self.limit * GROWTH)))
            self._set(raised, (self.limit, took))
        else:
            self._set(self.limit, None if window.was_full else before)

    def _set(self, limit: int, before: tuple[int, float] | None) -> None:
        self.limit, self._before, self._window = limit, before, Window(self._clock(), cuts=self._cuts)

    def _rest(self) -> None:
        self._rests_until = self._clock() + REST_SECONDS


def _is_pressing(answer: Answer) -> bool:
    """Whether this may be because of too much at once; who was not even reached is something else."""
    return answer.connected if answer.status is None else answer.status in PRESSING_STATUSES
