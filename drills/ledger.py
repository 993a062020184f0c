"""What verify's ledger says about the time after a fault. Pure: moments are the machine's monotonic seconds."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from destinations.verify.ledger import Kind, Record
from destinations.verify.traffic import Numbered, numbered
from drills.blows import Repeat

LATE_SECONDS = 1.0  # an event that is owed for longer is a backlog; a younger one is on its way


@dataclass(slots=True)
class Ledger:
    """When each event was acknowledged and when it first arrived, and how often a request had to be sent again."""

    run: str = ""
    began: float | None = None  # the load
    accepted: dict[Numbered, float] = field(default_factory=dict)
    delivered: dict[Numbered, float] = field(default_factory=dict)
    refused: int = 0
    repeated: list[Repeat] = field(default_factory=list)  # arrivals after the event was done
    unheard: list[Repeat] = field(default_factory=list)  # arrivals whose sender had hung up before it was answered
    _last: dict[Numbered, float] = field(default_factory=dict)  # of what was done: when it arrived last

    @property
    def owed(self) -> int:
        """How many acknowledged events have not arrived."""
        return sum(event not in self.delivered for event in self.accepted)

    def add(self, records: Iterable[Record]) -> None:
        """Take in what happened next."""
        for record in records:
            match record["kind"]:
                case Kind.RUN:
                    self.run, self.began = record["run"], record["mono"]
                case Kind.ACCEPTED:
                    for user, number in record["events"]:
                        self.accepted[Numbered(user, number)] = record["mono"]
                case Kind.ARRIVED:
                    self._arrived(record)
                case Kind.PUT_OFF | Kind.UNANSWERED:
                    self.refused += 1

    def _arrived(self, record: Record) -> None:
        at = record["mono"]
        if record.get("late"):
            self.unheard.append(Repeat(record["message_id"], at))
        if not (event := numbered(self.run, record["message_id"])):
            return
        if event in self._last:
            self.repeated.append(Repeat(event, self._last[event], at))
        if record["final"]:
            self.delivered.setdefault(event, at)
        if event in self.delivered:
            self._last[event] = at

    def first_delivery_after(self, moment: float) -> float | None:
        """Seconds from then to the delivery of an event that was accepted since; None if there is none."""
        found = (at for event, at in self.delivered.items() if at > moment and self.accepted.get(event, 0.0) > moment)
        first = min(found, default=None)  # an event may be there before its client hears that it was accepted
        return None if first is None else first - moment

    def slowest_user_after(self, moment: float) -> float | None:
        """Of all users the longest that one waited for the first delivery of what was accepted for them since then.

        In seconds, from acceptance: who sends seldom does not wait for that. Of whom nothing was accepted since, to the
        delivery of all that they were owed. None if one got nothing, or nobody was owed anything.
        """
        found: dict[int, float] = {}
        served = set[int]()
        for event, at in self.accepted.items():
            done = self.delivered.get(event, math.inf)
            if done > moment and event.user not in served:
                found[event.user] = done - max(at, moment)
                if at > moment:
                    served.add(event.user)
        slowest = max(found.values(), default=math.inf)
        return None if math.isinf(slowest) else max(0.0, slowest)

    def waits(self, began: float, ended: float) -> list[float]:
        """Seconds from acceptance to arrival of what was accepted between; infinite for what has not arrived."""
        between = ((event, at) for event, at in self.accepted.items() if began < at < ended)
        return [self.delivered.get(event, math.inf) - at for event, at in between]

    def backlog_after(self, moment: float) -> float | None:
        """Seconds from then until for LATE_SECONDS no event was owed for longer than that; None if that never came.

        A backlog of a second cannot be told from none: that is the least there is.
        """
        end = moment + LATE_SECONDS
        for began, ended in sorted(self._late()):
            if began > end + LATE_SECONDS:
                break
            end = max(end, ended)
        return None if math.isinf(end) else end - moment

    def _late(self) -> Iterator[tuple[float, float]]:
        for event, at in self.accepted.items():
            done = self.delivered.get(event, math.inf)
            if done > at + LATE_SECONDS:
                yield at + LATE_SECONDS, done
