"""How far a lane has come: a cursor, what is settled beyond it, and counters. Pure.

Settled means: delivered, aborted, filtered, skipped or kept as a row. The cursor passes an event only when everything
before it is settled. Must never know a database, a clock or a network.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Place: TypeAlias = tuple[int, int]  # (xid, position) in the log


@dataclass(slots=True)
class Progress:
    """One lane's progress; mutable, owned by the link that claimed the lane."""

    cursor: Place
    day: str  # of the event at the cursor, ISO
    beyond: set[Place] = field(default_factory=set)
    delivered: int = 0
    aborted: int = 0
    skipped: int = 0
    filtered: Counter[str] = field(default_factory=Counter)
    is_touched: bool = False  # by the link that claimed the lane: until then its row says all of this
    _ahead: dict[Place, str] = field(default_factory=dict)  # read, not passed; in order of reading

    @property
    def read_to(self) -> Place:
        """The last place read: reading goes on after it."""
        return next(reversed(self._ahead)) if self._ahead else self.cursor

    @property
    def span(self) -> int:
        """Events read that the cursor has not passed: a head that hangs makes it grow."""
        return len(self._ahead)

    def read(self, place: Place, day: str) -> bool:
        """Note the next event of the log; False when it was settled before (by an earlier claim of the lane).

        Places must come in rising order: ValueError otherwise, since a cursor that jumps back would repeat events.
        """
        if place <= self.read_to:
            raise ValueError(f"{place} read after {self.read_to}")
        self._ahead[place] = day
        if place in self.beyond:
            self._advance()
            return False
        return True

    def settle(self, place: Place) -> None:
        """The event's fate is known: let the cursor pass it as soon as everything before it is settled too."""
        if place not in self._ahead or place in self.beyond:
            raise ValueError(f"{place} is not open")
        self.beyond.add(place)
        self._advance()

    def deliver(self, place: Place | None) -> None:
        """Settle as delivered; None: an event that had become a row, of which the cursor knows nothing."""
        self._settle(place)
        self.delivered += 1

    def filter(self, place: Place, reason: str) -> None:
        """Settle as not meant for this destination."""
        self.settle(place)
        self.filtered[reason] += 1

    def abort(self, place: Place | None) -> None:
        """Settle as a dead letter; None as above."""
        self._settle(place)
        self.aborted += 1

    def skip(self, place: Place | None) -> None:
        """Settle as passed over by an operator; None as above."""
        self._settle(place)
        self.skipped += 1

    def as_json(self) -> dict[str, Any]:
        """What a checkpoint keeps; destinations_effective_lane reads it."""
        return {
            "c": [*self.cursor, self.day],
            "b": sorted(self.beyond),
            "d": self.delivered,
            "a": self.aborted,
            "s": self.skipped,
            "f": dict(self.filtered),
        }

    @classmethod
    def stored(
        cls,
        cursor: Place,
        day: str,
        beyond: Iterable[Iterable[int]],
        counts: tuple[int, int, int],
        filtered: Mapping[str, int],
    ) -> "Progress":
        """Progress as a lane's row keeps it; counts are (delivered, aborted, skipped)."""
        places = {(xid, position) for xid, position in beyond}
        return cls(cursor, day, places, *counts, Counter(filtered))

    def _settle(self, place: Place | None) -> None:
        self.is_touched = True
        if place is not None:
            self.settle(place)

    def _advance(self) -> None:
        self.is_touched = True
        while self._ahead:
            place, day = next(iter(self._ahead.items()))
            if place not in self.beyond:
                return
            self.beyond.discard(place)
            del self._ahead[place]
            self.cursor, self.day = place, day
