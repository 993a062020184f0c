"""Which events a connection wants: gaps, the destination's event filter, the event's own `integrations`. Pure.

Every event that is not meant for a destination is filtered with a reason that a counter keeps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest import tombstone

OFF = "disabled"
FILTERED = "event_filter"
INTEGRATIONS = "integrations"
FORGOTTEN = tombstone.TYPE


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a connection asks for, as read for one link."""

    active: bool  # connection and destination are enabled
    gaps: Sequence[tuple[int, int | None]]  # [from_xid, to_xid) in which it was switched off; None: still open
    event_filter: Mapping[str, Any]  # {"allow": [names]} or {"deny": [names]}
    names: frozenset[str]  # what `integrations` may call this destination, lower case


def in_gap(xid: int, gaps: Sequence[tuple[int, int | None]]) -> bool:
    """Whether the connection was switched off when the event was accepted."""
    return any(start <= xid and (end is None or xid < end) for start, end in gaps)


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
