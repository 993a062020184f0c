"""What a link has in its hands, noted before it is touched: a death leaves behind exactly that.

An event is noted while it is parsed, and again from when its request is built until its answer is judged; not while it
only waits in memory, or every death would suspect a thousand. Must never cost an event more than two microseconds.
"""

import orjson

from destinations.reader import Owed
from rudderproj.flight import Flight


class Hands:
    """One link's part of the process's slots."""

    __slots__ = ("_begin", "_destination_id", "_end", "_take", "drop")

    def __init__(self, flight: Flight, destination_id: int) -> None:
        self._destination_id = destination_id
        self._begin, self._end = flight.begin_reading, flight.end_reading
        self._take, self.drop = flight.take_event, flight.give

    def take(self, owed: Owed) -> int:
        """Note an event; a slot, for `drop`."""
        lane, (xid, position) = owed.lane, owed.place
        return self._take(self._destination_id, lane.connection_id, lane.number, lane.replay, xid, position)

    def parse(self, owed: Owed) -> None:
        """Have the event's payload parsed, if the log still has it."""
        lane, (xid, position) = owed.lane, owed.place
        self._begin(self._destination_id, lane.connection_id, lane.number, lane.replay, xid, position)
        owed.event = orjson.loads(owed.payload) if owed.payload else None
        self._end()
