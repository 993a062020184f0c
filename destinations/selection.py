"""Which events a connection wants: gaps, the destination's event filter, the event's own `integrations`. Pure.

Every event that is not meant for a destination is filtered with a reason that a counter keeps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from destinations.snapshot import Snapshot
from ingest import tombstone

OFF = "disabled"
FILTERED = "event_filter"
INTEGRATIONS = "integrations"
FORGOTTEN = tombstone.TYPE


@dataclass(frozen=True, slots=True)
class Gap:
    """When a connection was off, or not there: [from_xid, to_xid), None while it is open, and what its end saw."""

    from_xid: int
    to_xid: int | None
    end: Snapshot | None = None

    @classmethod
    def stored(cls, from_xid: int, to_xid: int | None, snapshot: str | None) -> "Gap":
        """As the database keeps it."""
        return cls(from_xid, to_xid, Snapshot.of(snapshot) if snapshot else None)

    def covers(self, xid: int) -> bool:
        """Whether an event was accepted in it: before the end in order, or in time."""
        if xid < self.from_xid:
            return False
        return self.to_xid is None or xid < self.to_xid or (self.end is not None and self.end.covers(xid))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a connection asks for, as read for one link."""

    active: bool  # connection and destination are enabled
    gaps: Sequence[Gap]
    event_filter: Mapping[str, Any]  # {"allow": [names]} or {"deny": [names]}
    names: frozenset[str]  # what `integrations` may call this destination, lower case


def in_gap(xid: int, gaps: Sequence[Gap]) -> bool:
    """Whether the connection was switched off, or not there yet, when the event was accepted."""
    return bool(gaps) and any(gap.covers(xid) for gap in gaps)


def unwanted(event: Mapping[str, Any], xid: int, wanted: Wanted) -> str | None:
    """The reason why this event is not sent, or None when it is."""
    return OFF if in_gap(xid, wanted.gaps) else refused(event, wanted)


def refused(event: Mapping[str, Any], wanted: Wanted) -> str | None:
    """The same, whenever the event was accepted."""
    if tombstone.is_tombstone(event):
        return FORGOTTEN
    if not _passes(event, wanted.event_filter):
        return FILTERED
    if not _integrated(event.get("integrations"), wanted.names):
        return INTEGRATIONS
    return None


def _passes(event: Mapping[str, Any], event_filter: Mapping[str, Any]) -> bool:
    """Filters name track events; other types have no name to be allowed or denied by, and pass."""
    if event.get("type") != "track":
        return True
    name = str(event.get("event", "")).strip()
    if "allow" in event_filter:
        return name in event_filter["allow"]
    return name not in event_filter.get("deny", ())


def _integrated(integrations: Any, names: frozenset[str]) -> bool:
    """The destination's own entry decides, then `All`; the default is yes. An object as a value means yes."""
    if not isinstance(integrations, Mapping):
        return True
    lowered = {str(key).lower(): value for key, value in integrations.items()}
    for name in names:
        if name in lowered:
            return lowered[name] is not False
    return lowered.get("all") is not False
