"""The judgement: the ledger's records in their order, event by event. Pure.

An event is done when the sink answered it for good. *Lost*: acknowledged, never done. *Duplicate*: an arrival after the
event was done. *Out of order*: done only after a later one of its user had arrived. Each figure names one kind of
fault. Holds little for each event that is done, so that a run may be long.
"""

from array import array
from dataclasses import dataclass, field

from destinations.verify.ledger import Kind, Record
from destinations.verify.numbers import percentiles
from destinations.verify.traffic import Numbered, numbered


@dataclass(slots=True)
class _User:
    """Numbers of one user's events."""

    sent: int = 0  # how many went out
    open: dict[int, float] = field(default_factory=dict)  # acknowledged and not done: when acknowledged
    early: dict[int, bool] = field(default_factory=dict)  # done and not acknowledged (yet): whether delivered
    refused: set[int] = field(default_factory=set)
    latest: int = -1  # the largest that arrived, whatever it was answered
    done_below: int = 0  # every number below is done
    done_ahead: set[int] = field(default_factory=set)

    def is_done(self, number: int) -> bool:
        return number < self.done_below or number in self.done_ahead

    def finish(self, number: int) -> None:
        self.done_ahead.add(number)
        while self.done_below in self.done_ahead:
            self.done_ahead.remove(self.done_below)
            self.done_below += 1


class Account:
    """Counts of events, unless they say otherwise."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.sent = 0
        self.accepted = 0
        self.refused = 0
        self.put_off = 0  # requests answered 429 or 5xx
        self.unanswered = 0  # requests
        self.waiting = 0  # acknowledged and not done
        self.delivered = 0  # of those acknowledged
        self.turned_away = 0  # of those acknowledged: refused by the sink for good
        self.unknown_delivered = 0  # and not acknowledged
        self.duplicates = 0
        self.out_of_order = 0
        self.unexpected = 0  # arrivals of what was never sent, or was refused
        self.longest_gap = 0.0  # seconds in which something was waiting and nothing was done
        self.first_accepted: float | None = None  # monotonic, as the next
        self.last_progress: float | None = None
        self._users: dict[int, _User] = {}
        self._latency = array("d")
        self._waiting_since = 0.0  # nothing was done since then, and something was waiting

    @property
    def unknown(self) -> int:
        """Sent, and nothing says what became of them."""
        return self.sent - self.accepted - self.refused

    @property
    def latency_ms(self) -> dict[str, float]:
        """From the acknowledgement to the sink; 0 when the sink was faster."""
        return percentiles([seconds * 1000 for seconds in self._latency])

    def examples(self, most: int = 5) -> list[str]:
        """Some lost events, for a person who looks for them."""
        lost = (f"{self.run}-{user}-{number}" for user, found in self._users.items() for number in found.open)
        return [name for name, _ in zip(lost, range(most), strict=False)]

    def add(self, record: Record) -> None:
        """Take in what happened next; kinds of others are passed over."""
        kind, at = record.get("kind"), float(record.get("mono", 0))
        if kind == Kind.ARRIVED:
            self._arrived(record, at)
        elif kind == Kind.PUT_OFF:
            self.put_off += 1
        elif kind == Kind.UNANSWERED:
            self.unanswered += 1
        elif kind in (Kind.SENT, Kind.ACCEPTED, Kind.REFUSED):
            for user, number in record["events"]:
                self._told(kind, self._users.setdefault(user, _User()), number, at)

    def _told(self, kind: str, user: _User, number: int, at: float) -> None:
        if kind == Kind.SENT:
            self.sent += 1
            user.sent = max(user.sent, number + 1)
        elif kind == Kind.REFUSED:
            self.refused += 1
            user.refused.add(number)
        else:
            self._accepted(user, number, at)

    def _accepted(self, user: _User, number: int, at: float) -> None:
        self.accepted += 1
        self.first_accepted = self.first_accepted or at
        self.last_progress = at
        if number in user.early:  # it was faster than its acknowledgement
            is_delivered = user.early.pop(number)
            self.unknown_delivered -= is_delivered
            self._done(0.0, is_delivered)
            return
        if not self.waiting:
            self._waiting_since = at
        self.waiting += 1
        user.open[number] = at

    def _arrived(self, record: Record, at: float) -> None:
        event = numbered(self.run, record["message_id"])
        user = self._users.get(event.user) if event else None
        if event is None or user is None or event.number >= user.sent or event.number in user.refused:
            self.unexpected += 1
        elif user.is_done(event.number):
            self.duplicates += 1
        else:
            self._first(record, user, event, at)

    def _first(self, record: Record, user: _User, event: Numbered, at: float) -> None:
        """An arrival of an event that was not done: judge its place, and whether it is done now."""
        number, overtaken = event.number, user.latest > event.number
        user.latest = max(user.latest, number)
        if not record["final"]:
            return
        self.out_of_order += overtaken
        user.finish(number)
        self.last_progress = at
        if self.waiting:
            self.longest_gap = max(self.longest_gap, at - self._waiting_since)
            self._waiting_since = at
        is_delivered = 200 <= record["status"] < 300
        if number in user.open:
            self.waiting -= 1
            self._done(max(0.0, at - user.open.pop(number)), is_delivered)
        else:
            self.unknown_delivered += is_delivered
            user.early[number] = is_delivered

    def _done(self, seconds: float, is_delivered: bool) -> None:
        if is_delivered:
            self.delivered += 1
            self._latency.append(seconds)
        else:
            self.turned_away += 1
