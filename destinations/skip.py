"""What an operator passed over on resuming a destination: exactly the events whose commit was before that. Pure.

A snapshot and not an xid is kept: transactions that were still open at that moment may have smaller xids than others
that had ended, and their events were accepted after it. Must never cover an event of a replay: that one is asked for.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Skip:
    """The last time what was owed to a destination was passed over, and who did it."""

    snapshot: str  # pg_snapshot as text: xmin:xmax:xid,xid…
    actor: str
    ended_before: int  # xmax: no transaction from here on had ended
    still_open: frozenset[int]

    @classmethod
    def stored(cls, snapshot: str | None, actor: str | None) -> "Skip | None":
        """As a destination's action keeps it; None for none."""
        if not snapshot:
            return None
        _, ended_before, still_open = snapshot.split(":")
        return cls(snapshot, actor or "", int(ended_before), frozenset(map(int, filter(None, still_open.split(",")))))

    def covers(self, xid: int) -> bool:
        """Whether the transaction had ended: if its events are still owed now, they were owed then."""
        return xid < self.ended_before and xid not in self.still_open
