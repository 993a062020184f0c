"""Which lanes that a link does not hold are worth asking for: those that news named, and now and then all. Pure.

To look for work in all of them is a look into the log for each, and a hundred sources have 6,400. Must never leave a
lane out for longer than from one look at all of them to the next.
"""

from collections.abc import Iterable

from destinations.doorbell import Lanes
from destinations.due import NAMED_SECONDS
from destinations.lanes import ClaimedLane, Name


class Unheld:
    """One link's."""

    def __init__(self) -> None:
        self._until: dict[Name, float] = {}  # when a lane was named long enough ago
        self._all_at = 0.0

    def look_at_all(self) -> None:
        """There may be work in any lane."""
        self._all_at = 0.0

    def hear(self, named: Lanes, now: float) -> None:
        """There may be events in these lanes, by source."""
        until = now + NAMED_SECONDS
        self._until |= {Name(source_id, number): until for source_id, numbers in named.items() for number in numbers}

    def choose(self, held: Iterable[ClaimedLane], now: float, every_seconds: float) -> list[Name] | None:
        """What to ask for; None for any lane, if it is `every_seconds` since that was so."""
        if now >= self._all_at:
            self._all_at = now + every_seconds
            return None
        mine = {(lane.source_id, lane.number) for lane in held if not lane.replay}
        self._until = {name: until for name, until in self._until.items() if now < until and name not in mine}
        return list(self._until)
