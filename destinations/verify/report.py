"""What a run found, for scripts and for people. The names of the fields are fixed: users' scripts depend on them."""

from dataclasses import asdict, dataclass, field
from typing import Any

from destinations.verify.account import Account
from destinations.verify.load import Load
from destinations.verify.site import Terms, owed


@dataclass(frozen=True)
class Report:
    """Counts of events, unless they say otherwise."""

    run: str
    asked: int | None  # None: time ends the load
    sent: int
    accepted: int
    unknown: int  # sent, and never an answer that says what became of them
    unknown_delivered: int  # of those, which is no fault
    unknown_turned_away: int
    refused: int  # for good, as 400 is, though each is valid
    delivered: int
    lost: int
    turned_away: int  # refused by the sink for good, as it was told to
    duplicates: int
    out_of_order: int
    unexpected: int  # arrivals of what was not sent or was refused
    answered_unlike: int  # by the sink: as success, and otherwise when they came again, or the other way round
    answers_too_late: int  # arrivals whose sender had hung up before the sink answered: they were not answered
    unreadable_lines: int  # of the log of a sink elsewhere
    requests_put_off: int  # answered 429 or 5xx, and sent again
    requests_unanswered: int  # and sent again
    latency_ms: dict[str, float]
    longest_gap_seconds: float
    difference: int | None  # None: the database could not be asked
    database: Terms | None
    seconds: float
    ledger: str | None  # None: it was a temporary one
    lost_examples: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    interrupted: bool = False  # the load was ended before its time
    duplicates_allowed: int | None = None  # None: any number

    @classmethod
    def of(cls, account: Account, load: Load, now: float, database: Terms | None, **more: Any) -> "Report":
        """What the account says now, in the machine's monotonic seconds; `more` are fields that others know."""
        began, ended = account.first_accepted or 0.0, account.last_progress or 0.0
        return cls(
            run=account.run,
            asked=load.asked,
            sent=account.sent,
            accepted=account.accepted,
            unknown=account.unknown,
            unknown_delivered=account.unknown_delivered,
            unknown_turned_away=account.unknown_turned_away,
            refused=account.refused,
            delivered=account.delivered,
            lost=account.waiting,
            turned_away=account.turned_away,
            duplicates=account.duplicates,
            out_of_order=account.out_of_order,
            unexpected=account.unexpected,
            answered_unlike=account.answered_unlike,
            answers_too_late=account.late,
            requests_put_off=account.put_off,
            requests_unanswered=account.unanswered,
            latency_ms=account.latency_ms,
            longest_gap_seconds=round(account.longest_gap(now), 3),
            difference=database["difference"] if database else None,
            database=database,
            seconds=round(ended - began, 3),
            lost_examples=account.examples(),
            **more,
        )

    def faults(self) -> list[str]:
        """What is wrong, a line each; none when everything accepted arrived in order. Duplicates count if asked."""
        found = []
        if not self.accepted:
            found.append("nothing was accepted")
        for name in ("lost", "out_of_order", "unexpected", "refused", "unreadable_lines", "difference"):
            if getattr(self, name):
                found.append(f"{name.replace('_', ' ')}: {getattr(self, name)}")
        if not self.interrupted:
            found += self._given_up()
        if self.duplicates_allowed is not None and self.duplicates > self.duplicates_allowed:
            found.append(f"duplicates: {self.duplicates}, allowed are {self.duplicates_allowed}")
        if self.database is None:
            return [*found, "the database could not be asked where the events are"]
        if left := owed(self.database):
            found.append(f"still owed: {left}")
        if not self.accepted <= self.database["accepted"] <= self.accepted + self.unknown:
            found.append(f"acknowledged: {self.accepted}, in the log: {self.database['accepted']}")
        return found + self._against_the_sink(self.database)

    def _given_up(self) -> list[str]:
        """What a run that nobody interrupted has left undone."""
        found = []
        if self.unknown:
            found.append(f"gave up: {self.unknown} of {self.sent} sent without an answer that says what became of them")
        if self.asked is not None and self.sent < self.asked:
            found.append(f"never sent: {self.asked - self.sent} of {self.asked}")
        return found

    def _against_the_sink(self, database: Terms) -> list[str]:
        """How the database books what was answered, against the answers.

        Exact, but for what is not settled and for events that were answered twice and not alike: which of the answers
        came back only the deployment knows.
        """
        found = []
        for term, said, events in (
            ("delivered", "success", self.delivered + self.unknown_delivered),
            ("aborted", "refused for good", self.turned_away + self.unknown_turned_away),
        ):
            least = events - self.answered_unlike - owed(database)
            if not least <= database[term] <= events + self.answered_unlike:
                found.append(f"{term} in the database: {database[term]}, answered {said} by the sink: {events}")
        return found

    def as_json(self) -> dict[str, Any]:
        """JSON-ready, with the `faults` that the exit code follows from."""
        return asdict(self) | {"faults": self.faults()}

    def lines(self) -> list[str]:
        """A table for people."""
        latency = "  ".join(f"{name} {value:.0f}" for name, value in self.latency_ms.items())
        rows: list[tuple[str, object]] = [
            ("sent", self.sent if self.asked is None else f"{self.sent} of {self.asked}"),
            ("accepted", self.accepted),
            ("delivered", self.delivered),
            ("lost", self.lost),
            ("duplicates", self.duplicates),
            ("out of order", self.out_of_order),
            ("unexpected", self.unexpected),
            ("unknown", f"{self.unknown}, delivered {self.unknown_delivered}" if self.unknown else 0),
            ("refused", self.refused),
            ("turned away by the sink", self.turned_away),
            ("answers that came too late", self.answers_too_late),
            ("requests put off (429, 5xx)", self.requests_put_off),
            ("requests without an answer", self.requests_unanswered),
            ("accepted to delivered, ms", latency),
            ("longest gap, s", self.longest_gap_seconds),
            ("seconds", self.seconds),
        ]
        if self.answered_unlike:
            rows.append(("answered unlike by the sink", self.answered_unlike))
        if self.unreadable_lines:
            rows.append(("unreadable lines", self.unreadable_lines))
        if self.database:
            terms = ", ".join(f"{name} {value}" for name, value in self.database.items() if value or name == "accepted")
            rows += [("in the database", terms), ("difference", self.difference)]
        rows += [("lost, for example", name) for name in self.lost_examples]
        rows += [("remark", text) for text in self.remarks]
        return [f"  {name.ljust(30)}{value}" for name, value in rows]
