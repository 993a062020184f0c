"""How many events go in one request: as many as configured, one after a refusal, then twice as many each time.

A bad event is found alone; a destination that cannot take so many, or none together, is sent what it takes. Must never
allow more than is configured.
"""

import time
from collections.abc import Callable

REST_SECONDS = 1.0  # after a refusal, in which events go one by one
CEILING_SECONDS = 60.0  # and in which no more go together than half of what was refused


class BatchSize:
    """One link's: `size` now, `most` as configured, 1 where a request carries one event."""

    def __init__(self, most: int, size: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = self._ceiling = max(1, most)
        self.size = min(size or self.most, self.most)
        self._clock = clock
        self._ceiling_until = 0.0
        self._rests_until = clock() + REST_SECONDS if self.size < self.most else 0.0

    def refused(self, events: int) -> None:
        """A request for so many was not taken, or could not be made."""
        now = self._clock()
        self.size, self._rests_until = 1, now + REST_SECONDS
        self._ceiling, self._ceiling_until = max(1, events // 2), now + CEILING_SECONDS

    def taken(self, events: int) -> None:
        """A request for so many was."""
        now = self._clock()
        most = self._ceiling if now < self._ceiling_until else self.most
        if events >= self.size < most and now >= self._rests_until:
            self.size = min(most, 2 * self.size)
