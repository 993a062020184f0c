"""What a drill came to, and whether that is good enough. Pure.

Lost, repeated and out of order are judged; times are shown against their targets and marked, since they depend on the
machine. Nothing that was left for a person to do is forgiven.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drills.ledger import Ledger

# What a link may have sent since its last checkpoint: what makes it write one, and what is in flight meanwhile.
CHECKPOINT_EVENTS = 200
IN_FLIGHT = 64
LINKS = 2  # that share a destination
UNCHECKPOINTED = LINKS * (CHECKPOINT_EVENTS + IN_FLIGHT)


@dataclass(frozen=True)
class Target:
    """What is promised after a fault, in seconds to the first delivery of what was accepted since."""

    first_delivery_seconds: float | None = None


ANY_TIME = Target()


@dataclass
class Marks:
    """What a fault notes while it works."""

    recoveries: list[float] = field(default_factory=list)  # moments from which on things should go well again
    may_repeat: int = 0  # events that were sent after the last checkpoint of what was killed, at most
    complaints: list[str] = field(default_factory=list)  # what is wrong and no figure says
    notes: list[str] = field(default_factory=list)  # what else was measured


@dataclass(frozen=True)
class Outcome:
    """A row of the table."""

    name: str
    accepted: int = 0
    unknown: int = 0
    lost: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    first_delivery_seconds: float | None = None
    backlog_seconds: float | None = None
    refused: int = 0
    may_repeat: int = 0
    target: Target = ANY_TIME
    complaints: Sequence[str] = ()
    notes: Sequence[str] = ()
    skipped: str = ""

    @property
    def problems(self) -> list[str]:
        """Why this drill has failed; empty if it has not."""
        if self.skipped:
            return []
        found = [f"{self.lost} lost"] if self.lost else []
        found += [f"{self.out_of_order} out of order"] if self.out_of_order else []
        if self.duplicates > self.may_repeat:
            found.append(f"{self.duplicates} duplicates, {self.may_repeat} at most")
        return found + list(self.complaints)

    @property
    def is_late(self) -> bool:
        """Whether it took longer than promised to deliver again: shown, not judged."""
        limit, took = self.target.first_delivery_seconds, self.first_delivery_seconds
        return limit is not None and (took is None or took > limit)


def outcome(name: str, target: Target, marks: Marks, report: Mapping[str, Any], ledger: Ledger) -> Outcome:
    """Put together what verify reported and what its ledger says; of several recoveries the slowest counts."""
    return Outcome(
        name=name,
        accepted=report["accepted"],
        unknown=report["unknown"],
        lost=report["lost"],
        duplicates=report["duplicates"],
        out_of_order=report["out_of_order"],
        first_delivery_seconds=_slowest([ledger.first_delivery_after(moment) for moment in marks.recoveries]),
        backlog_seconds=_slowest([ledger.backlog_after(moment) for moment in marks.recoveries]),
        refused=ledger.refused,
        may_repeat=marks.may_repeat,
        target=target,
        complaints=(*marks.complaints, *_odd(report)),
        notes=tuple(marks.notes),
    )


def _odd(report: Mapping[str, Any]) -> list[str]:
    """A run that proves nothing, the database's own account, and arrivals of what was never sent."""
    found = [] if report["accepted"] else ["nothing was accepted"]
    found += [] if report["difference"] == 0 else [f"the terms differ by {report['difference']}"]
    return found + ([f"{report['unexpected']} unexpected"] if report["unexpected"] else [])


def _slowest(seconds: Sequence[float | None]) -> float | None:
    """The longest; None when one of them has no end, or there are none."""
    known = [value for value in seconds if value is not None]
    return max(known) if known and len(known) == len(seconds) else None
