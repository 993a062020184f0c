"""Requests a second of each source, or token, counted in this process.

Owns the token buckets. Must never be shared between processes: a limit that needs a service fails with it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

LONGEST_WAIT_SECONDS = 60.0


@dataclass(slots=True)
class _Bucket:
    tokens: float
    counted_at: float
    promised_until: float  # whoever was refused last was told to come back then


class Buckets:
    """One token bucket a key; a bucket holds one second's worth."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[int, _Bucket] = {}

    def take(self, key: int, rate: int) -> float:
        """Take a token at `rate` a second: 0.0 when there was one, else the seconds after which to come back.

        Each who is refused is promised a time of its own: rudder-node comes back three times only, and would find
        the same crowd each time.
        """
        with self._lock:
            now = self._clock()
            bucket = self._buckets.setdefault(key, _Bucket(rate, now, now))
            bucket.tokens = min(float(rate), bucket.tokens + (now - bucket.counted_at) * rate)
            bucket.counted_at = now
            if bucket.tokens >= 1.0:
                bucket.tokens -= 1.0
                return 0.0
            next_token = now + (1.0 - bucket.tokens) / rate
            promised = max(next_token, bucket.promised_until + 1.0 / rate)
            bucket.promised_until = min(promised, now + LONGEST_WAIT_SECONDS)
            return bucket.promised_until - now


buckets = Buckets()
