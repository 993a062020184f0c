"""What a link has in its hands, noted before it is touched: a death leaves behind exactly that.

An event is noted while it is parsed, and again from when its request is built until its answer is judged; not while it
only waits in memory, or every death would suspect a thousand. Must never cost an event more than two microseconds.
"""

import orjson

from destinations.reader import Owed
from rudderproj.flight import Flight


class Hands:
    """One link's part of the process's slots."""

    __slots__ = ("_destination_id", "_flight", "drop")

    def __init__(self, flight: Flight, destination_id: int) -> None:
        self._flight = flight
        self._destination_id = destination_id
        self.drop = flight.give

    def take(self, owed: Owed) -> int:
        """Note an event; a slot, for `drop`."""
        lane = owed.lane
        return self._flight.take_event(
            self._destination_id, lane.connection_id, lane.number, lane.replay, owed.place[0], owed.place[1]
        )

    def parse(self, owed: Owed) -> None:
        """Have the event's payload parsed, if the log still has it."""
        slot = self.take(owed)
        owed.event = orjson.loads(owed.payload) if owed.payload else None
        self.drop(slot)
