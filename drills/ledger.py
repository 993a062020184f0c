"""What verify's ledger says about the time after a fault. Pure: moments are the machine's monotonic seconds."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from destinations.verify.ledger import Kind, Record
from destinations.verify.traffic import Numbered, numbered

LATE_SECONDS = 1.0  # an event that is owed for longer is a backlog; a younger one is on its way


@dataclass(slots=True)
class Ledger:
    """When each event was acknowledged and when it first arrived, and how often a request had to be sent again."""

    run: str = ""
    accepted: dict[Numbered, float] = field(default_factory=dict)
    delivered: dict[Numbered, float] = field(default_factory=dict)
    refused: int = 0

    def add(self, records: Iterable[Record]) -> None:
        """Take in what happened next."""
        for record in records:
            match record["kind"]:
                case Kind.RUN:
                    self.run = record["run"]
                case Kind.ACCEPTED:
                    for user, number in record["events"]:
                        self.accepted[Numbered(user, number)] = record["mono"]
                case Kind.ARRIVED:
                    if record["final"] and (event := numbered(self.run, record["message_id"])):
                        self.delivered.setdefault(event, record["mono"])
                case Kind.PUT_OFF | Kind.UNANSWERED:
                    self.refused += 1

    def first_delivery_after(self, moment: float) -> float | None:
        """Seconds from then to the delivery of an event that was accepted since; None if there is none."""
        found = (at for event, at in self.delivered.items() if at > moment and self.accepted.get(event, 0.0) > moment)
        first = min(found, default=None)  # an event may be there before its client hears that it was accepted
        return None if first is None else first - moment

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
