"""How many events of replays a link may take up now: by their own rates, and beside live traffic. Pure but for a clock.

A link leaves behind how long the next one must rest. Must never make live traffic wait.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from destinations.replay.selection import Running

BURST_SECONDS = 0.25  # what was not used of a rate for so long may be made up for
ALONE = 4  # times what may be in flight: events in memory while there is nothing live to send
BESIDE = 0.25  # of what may be in flight while there is


@dataclass(slots=True)
class _Bucket:
    rate: float  # this link's part, events a second
    events: float
    at: float


@dataclass(slots=True)
class Pace:
    """One link's. `in_flight`: events it may have so."""

    in_flight: int
    clock: Callable[[], float]
    has_held_back: bool = False
    _buckets: dict[int, _Bucket] = field(default_factory=dict)

    def keep(self, replays: Mapping[int, Running]) -> None:
        """Follow the rates, shared by the links that have lanes of the same replay."""
        for pk, running in replays.items():
            if running.rate is not None:
                rate = running.rate / max(1, running.links)
                if pk not in self._buckets:
                    self._buckets[pk] = _Bucket(rate, 1.0 - running.rest_seconds * rate, self.clock())
                self._buckets[pk].rate = rate

    def room(self, live_events: int, replayed_events: int) -> int:
        """How many more may be in memory, given how many are."""
        most = max(1, int(self.in_flight * BESIDE)) if live_events else self.in_flight * ALONE
        return most - replayed_events

    def allowed(self, replay: int, wanted: int) -> int:
        """How many of `wanted` events of this replay may be sent now."""
        bucket = self._buckets.get(replay)
        if bucket is None:
            return wanted
        now = self.clock()
        most = max(1.0, bucket.rate * BURST_SECONDS)
        bucket.events = min(most, bucket.events + (now - bucket.at) * bucket.rate)
        bucket.at = now
        allowed = max(0, min(wanted, int(bucket.events + 1e-9)))
        self.has_held_back = self.has_held_back or allowed < wanted
        return allowed

    def spend(self, replay: int, events: int = 1) -> None:
        """So many are being sent."""
        if bucket := self._buckets.get(replay):
            bucket.events -= events

    def rests(self) -> dict[int, float]:
        """How many seconds each replay with a rate must rest before its next event."""
        now = self.clock()
        waits = {pk: (1.0 - b.events) / b.rate - (now - b.at) for pk, b in self._buckets.items()}
        return {pk: seconds for pk, seconds in waits.items() if seconds > 0}

    @property
    def waits(self) -> bool:
        """Whether a rate held something back since this was asked last."""
        held_back, self.has_held_back = self.has_held_back, False
        return held_back
