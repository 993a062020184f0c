"""The judgement: the ledger's records in their order, event by event. Pure.

An event is done when the sink answered it for good. *Lost*: acknowledged, never done. *Duplicate*: an arrival after the
event was done. *Out of order*: done only after a later one of its user had reached the sink. Each figure names one
kind of fault. Holds little for each event that is done, so that a run may be long.
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
    turned_away: set[int] = field(default_factory=set)  # done, and not delivered
    latest: int = -1  # the largest that reached the sink, whatever it was answered
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
        self.unknown_turned_away = 0
        self.duplicates = 0
        self.out_of_order = 0
        self.unexpected = 0  # arrivals of what was never sent, or was refused
        self.late = 0  # arrivals that were not answered, since their sender had hung up
        self.first_accepted: float | None = None  # monotonic, as the next
        self.last_progress: float | None = None
        self._users: dict[int, _User] = {}
        self._latency = array("d")
        self._longest_gap = 0.0
        self._answered_unlike: set[Numbered] = set()
        self._waiting_since = 0.0  # nothing was done since then, and something was waiting

    @property
    def unknown(self) -> int:
        """Sent, and nothing says what became of them."""
        return self.sent - self.accepted - self.refused

    @property
    def is_owing(self) -> bool:
        """Whether the deployment has something to do: answer a request, or deliver."""
        return bool(self.unknown or self.waiting)

    @property
    def answered_unlike(self) -> int:
        """Done, and answered otherwise when they came again."""
        return len(self._answered_unlike)

    @property
    def latency_ms(self) -> dict[str, float]:
        """From the acknowledgement to the sink; 0 when the sink was faster."""
        return percentiles([seconds * 1000 for seconds in self._latency])

    def longest_gap(self, now: float) -> float:
        """Seconds in which something was waiting and nothing was done, also those that are not over now."""
        return max(self._longest_gap, now - self._waiting_since) if self.waiting else self._longest_gap

    def examples(self, most: int = 5) -> list[str]:
        """Some lost events, for a person who looks for them."""
        lost = (f"{self.run}-{user}-{number}" for user, found in self._users.items() for number in found.open)
        return [name for name, _ in zip(lost, range(most), strict=False)]

    def add(self, record: Record) -> None:
        """Take in what happened next; kinds of others are passed over."""
        kind, at = record.get("kind"), float(record.get("mono", 0))
        if kind == Kind.ARRIVED:
            self._arrived(record, at)
        elif kind == Kind.REACHED:
            self._reached(record)
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
            self.last_progress = at
            user.refused.add(number)
        else:
            self._accepted(user, number, at)

    def _accepted(self, user: _User, number: int, at: float) -> None:
        self.accepted += 1
        self.first_accepted = self.first_accepted or at
        self.last_progress = at
        if number in user.early:  # it was faster than its acknowledgement
            is_delivered = user.early.pop(number)
            self._done_unknown(is_delivered, -1)
            self._done(0.0, is_delivered)
            return
        if not self.waiting:
            self._waiting_since = at
        self.waiting += 1
        user.open[number] = at

    def _known(self, record: Record) -> tuple[_User, Numbered] | None:
        """The event that is at the sink, if it is one that should be."""
        event = numbered(self.run, record["message_id"])
        user = self._users.get(event.user) if event else None
        if event is None or user is None or event.number >= user.sent or event.number in user.refused:
            return None
        return user, event

    def _reached(self, record: Record) -> None:
        """Not answered yet: what is not done of its user by now is late."""
        if known := self._known(record):
            user, event = known
            user.latest = max(user.latest, event.number)

    def _arrived(self, record: Record, at: float) -> None:
        self.late += bool(record.get("late"))
        known = self._known(record)
        if known is None:
            self.unexpected += 1
        elif known[0].is_done(known[1].number):
            self._again(record, *known)
        else:
            self._first(record, *known, at)

    def _again(self, record: Record, user: _User, event: Numbered) -> None:
        self.duplicates += 1
        was_delivered = event.number not in user.turned_away
        if not record["final"] or _is_success(record) != was_delivered:
            self._answered_unlike.add(event)

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
            self._longest_gap = max(self._longest_gap, at - self._waiting_since)
            self._waiting_since = at
        is_delivered = _is_success(record)
        if not is_delivered:
            user.turned_away.add(number)
        if number in user.open:
            self.waiting -= 1
            self._done(max(0.0, at - record.get("waited", 0.0) - user.open.pop(number)), is_delivered)
        else:
            self._done_unknown(is_delivered, 1)
            user.early[number] = is_delivered

    def _done(self, seconds: float, is_delivered: bool) -> None:
        if is_delivered:
            self.delivered += 1
            self._latency.append(seconds)
        else:
            self.turned_away += 1

    def _done_unknown(self, is_delivered: bool, more: int) -> None:
        if is_delivered:
            self.unknown_delivered += more
        else:
            self.unknown_turned_away += more


def _is_success(record: Record) -> bool:
    """Of a final answer."""
    status: int = record["status"]
    return 200 <= status < 300
