"""What had been committed at some moment, by a snapshot of PostgreSQL's. Pure.

An xid would not tell: transactions that were still open then may have smaller ones than others that had ended.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A pg_snapshot as far as it is needed: it knows of no transaction that was rolled back."""

    ended_before: int  # xmax: no transaction from here on had ended
    still_open: frozenset[int]

    @classmethod
    def of(cls, text: str) -> "Snapshot":
        """From its text, xmin:xmax:xid,xid…"""
        _, ended_before, still_open = text.split(":")
        return cls(int(ended_before), frozenset(map(int, filter(None, still_open.split(",")))))

    def covers(self, xid: int) -> bool:
        """Whether the transaction had ended: events of it that there are had been accepted."""
        return xid < self.ended_before and xid not in self.still_open
