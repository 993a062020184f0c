"""Requests a second of each source, counted in this process.

Owns the token buckets. Must never be shared between processes: a limit that needs a service fails with it.
"""

import threading
import time
from collections.abc import Callable


class Buckets:
    """One token bucket a source; a bucket holds one second's worth."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[int, tuple[float, float]] = {}  # source id -> tokens, when they were counted

    def take(self, source_id: int, rate: int) -> float:
        """Take a token at `rate` a second: 0.0 when there was one, else the seconds until there is."""
        with self._lock:
            now = self._clock()
            tokens, counted_at = self._buckets.get(source_id, (float(rate), now))
            tokens = min(float(rate), tokens + (now - counted_at) * rate)
            taken = tokens >= 1.0
            self._buckets[source_id] = (tokens - 1.0 if taken else tokens, now)
            return 0.0 if taken else (1.0 - tokens) / rate


buckets = Buckets()
