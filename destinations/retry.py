"""When a failed event is tried again, and when it is given up: pure policy, time and chance are passed in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

RETRY_AFTER_MOST_SECONDS = 3600.0  # a destination cannot put an event off for longer at a time


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """An event is given up after at least `attempts` tries *and* `window_seconds` since its user's first failure."""

    window_seconds: float
    attempts: int
    base_seconds: float
    max_seconds: float

    @classmethod
    def of(cls, chosen: Mapping[str, Any], defaults: "RetryPolicy") -> "RetryPolicy":
        """A destination's own values over the defaults."""
        return cls(**{f.name: chosen.get(f.name, getattr(defaults, f.name)) for f in fields(cls)})

    def delay(self, attempts: int, retry_after: float | None, chance: Callable[[], float]) -> timedelta:
        """How long to wait after `attempts` tries (at least 1): full jitter, but never before `Retry-After`."""
        ceiling = min(self.max_seconds, self.base_seconds * 2.0 ** min(attempts - 1, 60))
        wait = ceiling * chance()
        if retry_after is not None:
            wait = max(wait, min(retry_after, RETRY_AFTER_MOST_SECONDS))
        return timedelta(seconds=wait)

    def is_exhausted(self, attempts: int, first_failed_at: datetime, now: datetime) -> bool:
        """Whether to give up after `attempts` tries."""
        return attempts >= self.attempts and now - first_failed_at >= timedelta(seconds=self.window_seconds)
