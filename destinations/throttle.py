"""How much of a link may be in flight: what brings more successes a second, found by trying more, and less.

More is tried while all is in use, and half when too many answers are 429, 503, or none at all. Either stays only if
successes say so: a destination that has too much of us keeps them when it is sent half, one that fails by chance loses
half of them. By Little's law successes a second are those of a request's second, times how many are in flight: it
matters not how long there was nothing to send. Counts events. Must never allow more than `most`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from rudderproj.http import Answer

WINDOW_ANSWERS, ROUNDS = 64, 4  # so many are compared at least, and so many times what may be in flight,
SLOW_ANSWERS, SLOW_SECONDS = 4, 1.0  # or so few where they take long
GROWTH = 0.25
HELD = 0.5  # of what more might bring: so much of it must have become successes; of what less might cost, no more
BACK = 16  # of a raise in vain a sixteenth more is taken back, so that what chance has let through does not add up
PRESSED = 0.1  # of the answers: one event that hangs says nothing about all
PRESSED_OF = 32  # answers at least
REST_SECONDS = 5.0  # without a raise, after one that was in vain and after a cut; without a cut, after one in vain
PRESSING_STATUSES = frozenset({429, 503})


@dataclass(slots=True)
class Window:
    """What happened under one limit, since a first request began under it."""

    cuts: int  # before it
    began: float | None = None
    work: float = 0.0  # the throttle's, when it began
    allowed: int = 0  # requests
    answers: int = 0  # to those that began in it
    refused: int = 0  # of these
    taken: int = 0  # events, whenever their requests began
    pressed: int = 0  # answers that say "too much" to requests since the last cut
    late: int = 0  # of these, not answered in time
    was_full: bool = False  # as many requests as allowed, or events, were in flight at once

    @property
    def are_late(self) -> bool:
        """Whether so many were not answered in time that it counts, however many others were answered meanwhile."""
        return self.late >= PRESSED * max(PRESSED_OF, self.allowed)

    @property
    def is_pressed(self) -> bool:
        """Whether less should be tried."""
        return self.are_late or self.pressed >= PRESSED * max(PRESSED_OF, self.answers)

    @property
    def are_most_refused(self) -> bool:
        """Which is no chance: less needs no trial then."""
        return self.refused * 2 > self.answers

    @property
    def is_whole(self) -> bool:
        """Whether there are enough answers to compare; fewer are if most are refusals."""
        return self.answers >= (PRESSED_OF if self.are_most_refused else max(WINDOW_ANSWERS, ROUNDS * self.allowed))


class Trial(NamedTuple):
    """What there was before the limit was changed: the limit, and successes a second."""

    limit: int
    rate: float


class Throttle:
    """One link's. Begins at `start`; `limit` is how many events it may have in flight now."""

    def __init__(self, start: int, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = max(1, min(start, most))
        self._most = most
        self._clock = clock
        self._requests = {False: 0, True: 0}  # in flight, by whether they are for several events
        self._events = 0  # in flight
        self._work, self._worked_at = 0.0, clock()  # event-seconds in flight so far
        self._cuts = 0
        self._window = Window(0)
        self._before: Trial | None = None
        self._raises_at = self._cuts_at = 0.0  # not before

    def begin(self, allowed: int, events: int = 1) -> Window:
        """A request begins, of so many of its kind that may be in flight. `end` follows, whatever comes of it.

        One that is too many, since senders hear of a cut a moment later, says nothing.
        """
        self._count(events)
        flying = self._requests[events > 1] = self._requests[events > 1] + 1
        if flying > allowed:
            return Window(-1)
        window = self._window
        if window.began is None:
            window.began, window.work = self._worked_at, self._work
        window.allowed = max(window.allowed, allowed)
        window.was_full = window.was_full or flying == allowed or self._events >= self.limit
        return window

    def end(self, events: int = 1) -> None:
        """A request is over, answered or not."""
        self._count(-events)
        self._requests[events > 1] -= 1

    def _count(self, events: int) -> None:
        now = self._clock()
        self._work += self._events * (now - self._worked_at)
        self._events, self._worked_at = self._events + events, now

    def note(self, begun: Window, answer: Answer, events: int = 1) -> None:
        """What came of a request for so many. One that began under another limit is no answer to this one.

        But that it was too much it says of any limit since the last cut: what is not answered in time comes late.
        """
        window, is_pressing = self._window, _is_pressing(answer)
        if begun.cuts == self._cuts:
            window.pressed += is_pressing
            window.late += is_pressing and answer.status is None
        if begun is window:
            window.answers += 1
            window.refused += is_pressing
        if window.began is not None and answer.status and answer.status < 500 and not is_pressing:
            window.taken += events
        if window.is_whole or window.are_late or self._is_slow(window):
            self._conclude(window)

    def _is_slow(self, window: Window) -> bool:
        """Whether answers take so long that few must do."""
        is_late = window.began is not None and self._clock() >= window.began + SLOW_SECONDS
        return is_late and window.answers >= max(SLOW_ANSWERS, sum(self._requests.values()))

    def _conclude(self, window: Window) -> None:
        work = self._work - window.work
        found = Trial(self.limit, self.limit * window.taken / work if work else 0.0)
        before = self._before if window.was_full else None
        are_most = window.are_most_refused
        if before and before.limit < self.limit and (are_most or _is_worse(found, before)):
            self._raises_at = self._clock() + REST_SECONDS
            self._set(before.limit - before.limit // BACK, None)
        elif before and before.limit > self.limit and not are_most and _is_worse(found, before):
            self._raises_at, self._cuts_at = 0.0, self._clock() + REST_SECONDS
            self._set((self.limit + before.limit + 1) // 2, None)  # half of it may have been right
        else:
            self._try_other(window, found)

    def _try_other(self, window: Window, found: Trial) -> None:
        """Less if too much was refused, more if all is in use."""
        now, are_most = self._clock(), window.are_most_refused
        if window.is_pressed and (are_most or now >= self._cuts_at):
            self._cuts += 1
            self._raises_at = now + REST_SECONDS
            self._set(max(1, self.limit // 2), None if are_most or self.limit == 1 else found)
        elif window.was_full and self.limit < self._most and now >= self._raises_at:
            self._set(min(self._most, self.limit + max(1, int(self.limit * GROWTH))), found)
        else:
            self._set(self.limit, None if window.was_full else self._before)

    def _set(self, limit: int, before: Trial | None) -> None:
        self.limit, self._before, self._window = limit, before, Window(self._cuts)


def _is_worse(found: Trial, before: Trial) -> bool:
    """Whether the limit should go back: successes did not rise half as much as it was raised, or fell as much."""
    return found.rate < before.rate * (1 + (found.limit / before.limit - 1) * HELD)


def _is_pressing(answer: Answer) -> bool:
    """Whether this may be because of too much at once; who was not even reached is something else."""
    return answer.connected if answer.status is None else answer.status in PRESSING_STATUSES
