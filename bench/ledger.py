"""What arrived at one destination, and in which order. Pure but for the clock."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from destinations.verify.numbers import percentiles


@dataclass
class Seen:
    """What has arrived. `latency_ms` is from due to here; times are Unix seconds, 0 for never."""

    delivered: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    missing: int = 0  # of those before one that came
    first_at: float = 0.0
    last_at: float = 0.0
    latency_ms: dict[str, float] = field(default_factory=dict)


class Ledger:
    """The order of each user's numbers."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.latency_ms: list[float] = []
        self.missing: set[tuple[str, int]] = set()
        self._next: dict[str, int] = {}

    def add(self, user: str, number: int, latency_ms: float) -> None:
        """Note an arrival."""
        seen, expected = self.seen, self._next.get(user, 0)
        if number < expected and (user, number) not in self.missing:
            seen.duplicates += 1
            return
        if number < expected:
            self.missing.discard((user, number))
            seen.out_of_order += 1
        else:
            self.missing.update((user, skipped) for skipped in range(expected, number))
            self._next[user] = number + 1
        seen.delivered += 1
        seen.last_at = time.time()
        seen.first_at = seen.first_at or seen.last_at
        self.latency_ms.append(latency_ms)


def together(ledgers: Iterable[Ledger]) -> Seen:
    """Several destinations as one."""
    ledgers = list(ledgers)
    seen = [ledger.seen for ledger in ledgers]
    return Seen(
        sum(one.delivered for one in seen),
        sum(one.duplicates for one in seen),
        sum(one.out_of_order for one in seen),
        sum(len(ledger.missing) for ledger in ledgers),
        min((one.first_at for one in seen if one.first_at), default=0.0),
        max((one.last_at for one in seen), default=0.0),
        percentiles([value for ledger in ledgers for value in ledger.latency_ms]),
    )
