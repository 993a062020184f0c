"""Which lanes of a link are worth reading: those that news named, those that had more, and now and then all. Pure.

What a look costs the database grows with the lanes that it is asked for. Must never leave a lane out for longer than
from one look at all of them to the next.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

from destinations.doorbell import Lanes
from destinations.lanes import ClaimedLane
from destinations.reader import Ask, Owed

READ_EVENTS = 1000  # events in memory a link aims at
LANE_SPAN = 500  # events of one lane beyond its cursor: a hanging head stops its lane only then
BYTES_OF_A_CHARACTER = 4  # at most
NAMED_SECONDS = 2.0  # for which a lane is due that news named, if nothing is found: what was stored is not seen at once
FOUND_SECONDS = 0.5  # and one where something was found: what was stored just after may be seen a moment later


class Due:
    """One link's. A lane is due until a read finds nothing there, and a while longer after news or events."""

    def __init__(self) -> None:
        self._due: set[int] = set()
        self._until: dict[int, float] = {}  # when a lane may be left out that nothing is found in
        self._all_at = 0.0
        self.has_more = False  # the last read left something; otherwise what comes in a moment is read together

    def look_at_all(self) -> None:
        """There may be events in any lane."""
        self._all_at = 0.0

    def hear(self, named: Lanes, lanes: Iterable[ClaimedLane], now: float) -> None:
        """There may be events in these lanes, by source."""
        for lane in lanes:
            if not lane.replay and lane.number in named.get(lane.source_id, ()):
                self._due.add(lane.id)
                self._until[lane.id] = now + NAMED_SECONDS

    def choose(
        self,
        lanes: Collection[ClaimedLane],
        may_read: Callable[[ClaimedLane], bool],
        now: float,
        every_seconds: float,
    ) -> list[Ask]:
        """What to read of these lanes now; of all, if it is `every_seconds` since that was so."""
        if now >= self._all_at:
            self._all_at = now + every_seconds
            self._due = {lane.id for lane in lanes}
        chosen = [lane for lane in lanes if lane.id in self._due and may_read(lane)]
        most = min(LANE_SPAN, max(4, READ_EVENTS // max(1, len(chosen))))
        return [Ask.more(lane, most) for lane in chosen]

    def note(self, asked: Collection[Ask], events: Sequence[Owed], most_bytes: int, now: float) -> None:
        """What came of a read of `most_bytes`: one that was cut short says nothing of the lanes without events."""
        if sum(owed.size for owed in events) > most_bytes / BYTES_OF_A_CHARACTER:
            self.has_more = True
            return
        found = Counter(owed.lane.id for owed in events)
        self.has_more = any(found[ask.lane.id] >= ask.most for ask in asked)
        for lane_id in {ask.lane.id for ask in asked}:
            if lane_id in found:
                self._until[lane_id] = now + FOUND_SECONDS
            elif now >= self._until.get(lane_id, 0.0):
                self._due.discard(lane_id)
