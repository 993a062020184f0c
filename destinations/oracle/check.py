"""The judgement: accepted events against arrivals, user by user. Pure.

An event may arrive for the first time only when every earlier one of its user is done with: answered for good at the
destination, or given up as the caller says. Arrivals after an event was done are duplicates.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


class Seen(Protocol):
    """What the check needs of an arrival; sink.Arrival is one."""

    @property
    def message_id(self) -> str: ...
    @property
    def is_final(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Misplaced:
    """An event that came although an earlier one of its user was not done."""

    user: str
    message_id: str
    before: str  # the earliest one that was not done


@dataclass(slots=True)
class Report:
    """What the oracle found; message ids."""

    accepted: int = 0
    arrivals: int = 0
    lost: list[str] = field(default_factory=list)  # never done with, in order of acceptance per user
    duplicates: list[str] = field(default_factory=list)  # one entry for each arrival too many
    out_of_order: list[Misplaced] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)  # arrived, never accepted

    @property
    def is_clean(self) -> bool:
        """No loss, nothing out of order, nothing unknown; duplicates are the caller's to bound."""
        return not (self.lost or self.out_of_order or self.unexpected)


@dataclass(slots=True)
class _User:
    name: str
    order: Sequence[str]
    done: set[str] = field(default_factory=set)
    first_open: int = 0

    def finish(self, message_id: str) -> None:
        self.done.add(message_id)
        while self.first_open < len(self.order) and self.order[self.first_open] in self.done:
            self.first_open += 1


def check(
    accepted: Mapping[str, Sequence[str]], arrivals: Iterable[Seen], given_up: Collection[str] = frozenset()
) -> Report:
    """Judge. `accepted`: each user's message ids in order of acceptance; `arrivals` in order.

    `given_up`: events the pipeline says it stopped trying or never had to send: they need no final answer, and do not
    hold their followers.
    """
    users = {name: _User(name, order) for name, order in accepted.items()}
    owner = {message_id: users[name] for name, order in accepted.items() for message_id in order}
    report = Report(accepted=len(owner))
    for message_id in given_up:
        if message_id in owner:
            owner[message_id].finish(message_id)
    for arrival in arrivals:
        report.arrivals += 1
        _judge(report, owner.get(arrival.message_id), arrival, given_up)
    report.lost = [m for user in users.values() for m in user.order if m not in user.done]
    return report


def _judge(report: Report, user: _User | None, arrival: Seen, given_up: Collection[str]) -> None:
    message_id = arrival.message_id
    if user is None:
        report.unexpected.append(message_id)
        return
    if message_id in user.done and message_id not in given_up:
        report.duplicates.append(message_id)
        return
    if message_id not in user.done and user.order[user.first_open] != message_id:
        report.out_of_order.append(Misplaced(user.name, message_id, user.order[user.first_open]))
    if arrival.is_final:
        user.finish(message_id)
