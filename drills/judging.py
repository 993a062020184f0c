"""What a drill came to, and whether that is good enough. Pure.

What verify finds wrong, repeats that the fault does not explain, and what is not delivered any more afterwards are
judged. What misses its target is late, which is not passed, and failed only if asked: times depend on the machine, but
no machine explains four times the target. Nothing that was left for a person to do is forgiven.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from drills.blows import Blow, Repeat, unexplained
from drills.ledger import Ledger

FAR = 4.0  # times its target: that is no busy machine any more


@dataclass(frozen=True)
class Target:
    """What is promised after a fault, in seconds to the first delivery of what was accepted since.

    `is_of_all`: to that of the user who waits longest. Lanes that are stuck do not show in the first of all.
    """

    first_delivery_seconds: float | None = None
    is_of_all: bool = False


ANY_TIME = Target()


@dataclass(frozen=True)
class Miss:
    """Something took longer than promised. `took` is None where it never came: that others judge."""

    what: str
    took: float | None
    limit: float

    @property
    def is_far(self) -> bool:
        """Whether it took so much longer that it fails whatever the machine."""
        return self.took is not None and self.took > FAR * self.limit

    def __str__(self) -> str:
        return f"{self.what}, {FAR:.0f} times over" if self.is_far else self.what


@dataclass
class Marks:
    """What a fault notes while it works."""

    recoveries: list[float] = field(default_factory=list)  # moments from which on things should go well again
    blows: list[Blow] = field(default_factory=list)  # what made links forget
    complaints: list[str] = field(default_factory=list)  # what is wrong and no figure says
    slow: list[Miss] = field(default_factory=list)  # what took longer than promised
    notes: list[str] = field(default_factory=list)  # what else was measured

    def last(self) -> "Marks":
        """What a load that begins afterwards is judged by."""
        return Marks(recoveries=self.recoveries[-1:], blows=self.blows)


@dataclass(frozen=True)
class Outcome:
    """A row of the table. `skipped` says why it was not run; `no_time`: only because time was over."""

    name: str
    accepted: int = 0
    lost: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    first_delivery_seconds: float | None = None
    slowest_user_seconds: float | None = None
    backlog_seconds: float | None = None
    refused: int = 0
    is_silent: bool = False  # nothing arrived that was accepted after the fault
    target: Target = ANY_TIME
    judges_times: bool = False
    complaints: Sequence[str] = ()
    slow: Sequence[Miss] = ()
    notes: Sequence[str] = ()
    skipped: str = ""
    no_time: bool = False

    @property
    def problems(self) -> list[str]:
        """Why this drill has failed; empty if it has not."""
        if self.skipped:
            return []
        silent = ["nothing arrived that was accepted afterwards"] if self.is_silent else []
        return [*self.complaints, *silent, *(str(miss) for miss in self._missed if miss.is_far or self.judges_times)]

    @property
    def is_passed(self) -> bool:
        """Whether it was run, nothing was wrong, and nothing took longer than promised."""
        return not self.skipped and not self.problems and not self.late

    @property
    def is_late(self) -> bool:
        """Whether all that is wrong is that something took longer than promised, not far, and times are not judged."""
        return not self.skipped and not self.problems and bool(self.late)

    @property
    def late(self) -> list[str]:
        """What took longer than promised: problems only where times are judged, or it is far."""
        return [str(miss) for miss in self._missed]

    @property
    def _missed(self) -> list[Miss]:
        limit = self.target.first_delivery_seconds
        if limit is None:
            return list(self.slow)
        judged = {"first delivery": self.first_delivery_seconds}
        if self.target.is_of_all:
            judged["slowest user"] = self.slowest_user_seconds
        missed = {what: took for what, took in judged.items() if took is None or took > limit}
        return [*(Miss(f"{what} slower than {limit:.0f} s", took, limit) for what, took in missed.items()), *self.slow]


def outcome(name: str, target: Target, marks: Marks, report: Mapping[str, Any], ledger: Ledger) -> Outcome:
    """Put together what verify reported and what its ledger says; of several recoveries the slowest counts."""
    first = _slowest([ledger.first_delivery_after(moment) for moment in marks.recoveries])
    return Outcome(
        name=name,
        accepted=report["accepted"],
        lost=report["lost"],
        duplicates=report["duplicates"],
        out_of_order=report["out_of_order"],
        first_delivery_seconds=first,
        slowest_user_seconds=_slowest([ledger.slowest_user_after(moment) for moment in marks.recoveries]),
        backlog_seconds=_slowest([ledger.backlog_after(moment) for moment in marks.recoveries]),
        refused=ledger.refused,
        is_silent=first is None,
        target=target,
        complaints=(*marks.complaints, *faults(report, ledger, marks.blows)),
        slow=tuple(marks.slow),
        notes=tuple(marks.notes),
    )


def extended(found: Outcome, after: Outcome) -> Outcome:
    """With what a second load showed, since the first was over too early to show it."""
    return replace(
        found,
        first_delivery_seconds=after.first_delivery_seconds,
        slowest_user_seconds=after.slowest_user_seconds,
        is_silent=after.is_silent,
        complaints=(*found.complaints, *after.complaints),
    )


def faults(report: Mapping[str, Any], ledger: Ledger, blows: Sequence[Blow]) -> list[str]:
    """What verify finds wrong, and which repeats no blow explains.

    An answer that never came is among the first, rightly in every drill: each gives web back, and time to answer.
    """
    found = list(report["faults"])
    for what, counted, noted in (
        ("duplicates", report["duplicates"], ledger.repeated),
        ("answers that came too late", report["answers_too_late"], ledger.unheard),
    ):
        if counted != len(noted):
            found.append(f"{what}: {counted} by verify, {len(noted)} by its ledger")
        if left := unexplained(noted, blows):
            found.append(f"{what}: {len(left)} of {len(noted)} that no fault explains, {_when(left, ledger)}")
    return found


def is_proof(outcomes: Sequence[Outcome]) -> bool:
    """Whether some were run, none failed, and none was left out for lack of time. Late ones have lost nothing."""
    is_whole = not any(found.no_time or found.problems for found in outcomes)
    return is_whole and not all(found.skipped for found in outcomes)


def _when(repeats: Sequence[Repeat], ledger: Ledger) -> str:
    """The first and the last of them, in seconds of the load."""
    first, last = (repeat.sent - (ledger.began or 0.0) for repeat in (repeats[0], repeats[-1]))
    return f"sent {first:.1f} to {last:.1f} s from its start"


def _slowest(seconds: Sequence[float | None]) -> float | None:
    """The longest; None when one of them has no end, or there are none."""
    known = [value for value in seconds if value is not None]
    return max(known) if known and len(known) == len(seconds) else None
