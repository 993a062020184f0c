"""What an operator passed over on resuming a destination: exactly the events whose commit was before that. Pure.

Must never cover an event of a replay: that one is asked for.
"""

from dataclasses import dataclass

from destinations.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Skip:
    """The last time what was owed to a destination was passed over, and who did it."""

    snapshot: str  # pg_snapshot as text
    actor: str
    seen: Snapshot

    @classmethod
    def stored(cls, snapshot: str | None, actor: str | None) -> "Skip | None":
        """As a destination's action keeps it; None for none."""
        return cls(snapshot, actor or "", Snapshot.of(snapshot)) if snapshot else None

    def covers(self, xid: int) -> bool:
        """Whether the transaction had ended: if its events are still owed now, they were owed then."""
        return self.seen.covers(xid)
