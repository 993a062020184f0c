"""What a run found, for scripts and for people. The names of the fields are fixed: users' scripts depend on them."""

from dataclasses import asdict, dataclass, field
from typing import Any

from destinations.verify.account import Account
from destinations.verify.site import Terms, owed


@dataclass(frozen=True)
class Report:
    """Counts of events, unless they say otherwise."""

    run: str
    accepted: int
    unknown: int  # sent, and never an answer that says what became of them
    unknown_delivered: int  # of those, which is no fault
    refused: int  # for good, as 400 is, though each is valid
    delivered: int
    lost: int
    turned_away: int  # refused by the sink for good, as it was told to
    duplicates: int
    out_of_order: int
    unexpected: int  # arrivals of what was not sent or was refused
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

    @classmethod
    def of(cls, account: Account, database: Terms | None, ledger: str | None, remarks: list[str]) -> "Report":
        """What the account says now."""
        began, ended = account.first_accepted or 0.0, account.last_progress or 0.0
        return cls(
            run=account.run,
            accepted=account.accepted,
            unknown=account.unknown,
            unknown_delivered=account.unknown_delivered,
            refused=account.refused,
            delivered=account.delivered,
            lost=account.waiting,
            turned_away=account.turned_away,
            duplicates=account.duplicates,
            out_of_order=account.out_of_order,
            unexpected=account.unexpected,
            requests_put_off=account.put_off,
            requests_unanswered=account.unanswered,
            latency_ms=account.latency_ms,
            longest_gap_seconds=round(account.longest_gap, 3),
            difference=database["difference"] if database else None,
            database=database,
            seconds=round(ended - began, 3),
            ledger=ledger,
            lost_examples=account.examples(),
            remarks=remarks,
        )

    def faults(self, duplicates_most: int | None = None) -> list[str]:
        """What is wrong, a line each; none when everything accepted arrived in order. Duplicates count if asked."""
        found = []
        if not self.accepted:
            found.append("nothing was accepted")
        for name in ("lost", "out_of_order", "unexpected", "refused", "difference"):
            if getattr(self, name):
                found.append(f"{name.replace('_', ' ')}: {getattr(self, name)}")
        if duplicates_most is not None and self.duplicates > duplicates_most:
            found.append(f"duplicates: {self.duplicates}, allowed are {duplicates_most}")
        if self.database is None:
            return [*found, "the database could not be asked where the events are"]
        if left := owed(self.database):
            found.append(f"still owed: {left}")
        if not self.accepted <= self.database["accepted"] <= self.accepted + self.unknown:
            found.append(f"acknowledged: {self.accepted}, in the log: {self.database['accepted']}")
        return found

    def as_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    def lines(self) -> list[str]:
        """A table for people."""
        latency = "  ".join(f"{name} {value:.0f}" for name, value in self.latency_ms.items())
        rows: list[tuple[str, object]] = [
            ("accepted", self.accepted),
            ("delivered", self.delivered),
            ("lost", self.lost),
            ("duplicates", self.duplicates),
            ("out of order", self.out_of_order),
            ("unexpected", self.unexpected),
            ("unknown", f"{self.unknown}, delivered {self.unknown_delivered}" if self.unknown else 0),
            ("refused", self.refused),
            ("turned away by the sink", self.turned_away),
            ("requests put off (429, 5xx)", self.requests_put_off),
            ("requests without an answer", self.requests_unanswered),
            ("accepted to delivered, ms", latency),
            ("longest gap, s", self.longest_gap_seconds),
            ("seconds", self.seconds),
        ]
        if self.database:
            terms = ", ".join(f"{name} {value}" for name, value in self.database.items() if value or name == "accepted")
            rows += [("in the database", terms), ("difference", self.difference)]
        rows += [("lost, for example", name) for name in self.lost_examples]
        rows += [("remark", text) for text in self.remarks]
        return [f"  {name.ljust(30)}{value}" for name, value in rows]
