"""How many events go in one request: as many as configured, one after a refusal, then twice as many each time.

A bad event is found alone; a destination that cannot take so many, or none together, is sent what it takes. Must never
allow more than is configured.
"""

import time
from collections.abc import Callable

REST_SECONDS = 1.0  # after a refusal, in which events go one by one


class BatchSize:
    """One link's: `size` now, `most` as configured, 1 where a request carries one event."""

    def __init__(self, most: int, size: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = max(1, most)
        self.size = min(size or self.most, self.most)
        self._clock = clock
        self._rests_until = 0.0

    def refused(self) -> None:
        """A request for several was not taken."""
        self.size, self._rests_until = 1, self._clock() + REST_SECONDS

    def taken(self, events: int) -> None:
        """A request for so many was."""
        if events >= self.size < self.most and self._clock() >= self._rests_until:
            self.size = min(self.most, 2 * self.size)
