"""How much a link may have in flight, and in one request: what an operator allows, and what answers say of it.

Where throttle, batch size and room meet. Must never allow more than is configured.
"""

import contextlib
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from destinations.batch_size import BatchSize
from destinations.outcome import BatchFate, batch_fate
from destinations.room import BATCHES, Room
from destinations.throttle import Throttle, Window
from destinations.turns import Turns
from rudderproj.http import Answer


class Bounds(NamedTuple):
    """How many events a link may have in flight: before anybody has learned how many, and at most.

    `requests`: of an operator, and then all of them at once.
    """

    start: int
    most: int
    requests: int | None = None


ONE = Bounds(1, 1)


class Learned(NamedTuple):
    """How much a destination takes at once, as links found out. `of`: what was configured then."""

    events: int  # in flight
    batch: int  # in one request
    of: int

    @classmethod
    def stored(cls, value: dict[str, int] | None, of: int) -> "Learned | None":
        """From its fields; None if there is nothing, or of another configuration."""
        return cls(value["events"], value["batch"], of) if value and value["of"] == of else None


class Allowance:
    """One link's. `most_batch` events may go together, as it is configured; `learned`: what the last link found out."""

    def __init__(self, bounds: Bounds, most_batch: int, learned: dict[str, int] | None, turns: Turns) -> None:
        before = Learned.stored(learned, most_batch)
        self.takes_batches = most_batch > 1  # whether a request may carry several events, as it is configured
        self._bounds = bounds
        self._turns = turns
        self._batch = BatchSize(most_batch, before.batch if before else None)
        start, most = bounds.start, bounds.most
        if bounds.requests and not self.takes_batches:
            start = most = bounds.requests
        self._throttle = Throttle(before.events if before else start, most)
        self._room = Room(lambda: self._throttle.limit, bounds.requests)

    @property
    def batch_events(self) -> int:
        """How many events a request may carry now."""
        return self._turns.together(self._batch.size)

    @property
    def requests(self) -> int:
        """How many requests for several events may be in flight now."""
        return self._allowed(self._batches)

    @property
    def singles(self) -> int:
        """How many requests for a single event may be in flight now: few, unless that is all there is."""
        return self._allowed(self._alone)

    def _allowed(self, requests: int) -> int:
        """So many, or as many as an operator allows: more senders would only keep events to themselves."""
        return min(requests, self._bounds.requests or requests)

    @property
    def _batches(self) -> int:
        """How many the throttle has in mind."""
        return max(BATCHES, self._throttle.limit // self.batch_events)

    @property
    def _alone(self) -> int:
        limit = self._throttle.limit
        return min(limit, self._bounds.start) if self.batch_events > 1 else limit

    @property
    def events(self) -> int:
        """How many events may be in flight now, however they are sent."""
        return max(self.singles, self.requests * self.batch_events)

    @property
    def learned(self) -> Learned:
        """For the next link to begin with."""
        return Learned(self._throttle.limit, self._batch.size, self._batch.most)

    def slot(self, events: int) -> AbstractAsyncContextManager[None]:
        """Where a request for so many is in flight; where each is for one, there are no more senders than room."""
        return self._room.place(events) if self.takes_batches else contextlib.nullcontext()

    def begin(self, events: int) -> Window:
        """A request for so many begins. `end` follows, whatever comes of it."""
        return self._throttle.begin(self._batches if events > 1 else self._alone, events)

    def end(self, events: int) -> None:
        """It is over, answered or not."""
        self._throttle.end(events)

    def note(self, begun: Window, answer: Answer, events: int) -> None:
        """What came of it. Fewer go together once several were not taken, unless it was for the moment.

        That is 429, and any 503: each of those events by itself would be more requests for one that wants fewer.
        """
        self._throttle.note(begun, answer, events)
        became = batch_fate(answer)
        if became is BatchFate.TAKEN:
            self._batch.taken(events)
        elif events > 1 and became is not BatchFate.TOO_MUCH and answer.status != 503:
            self._batch.refused(events)

    def refused(self, events: int) -> None:
        """A request for so many could not even be made."""
        self._batch.refused(events)
