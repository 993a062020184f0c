"""RudderStack's workspaceConfig.json as what is wanted.

Such a file comes from another product: what cannot be taken becomes a note and never stops the rest. Names repeat
there and are keys here, so the younger of two with the same name gets its id appended.
Must never put a value into a note: it may be a secret.
"""

import re
from collections import defaultdict
from typing import Any

from destinations import registry
from destinations.apply.document import at
from destinations.apply.shape import DESTINATION_DEFAULTS, NAME_MOST, SOURCE_DEFAULTS, WRITE_KEY_MOST
from destinations.apply.wanted import InputError, Wanted, WantedDestination, WantedSource
from destinations.schema import Schema

_FILTERS = {"whitelistedEvents": "allow", "blacklistedEvents": "deny"}


class NotTakenError(Exception):
    """A destination cannot be taken; the message says why."""


def is_workspace(data: Any) -> bool:
    """Whether the data looks like a workspaceConfig.json."""
    if not isinstance(data, dict):
        return False
    sources = data.get("sources")
    return "workspaceId" in data or (
        isinstance(sources, list)
        and any(isinstance(s, dict) and s.keys() & {"writeKey", "destinations"} for s in sources)
    )


def read(data: dict[str, Any]) -> Wanted:
    """What a workspaceConfig.json asks for, with notes on what was left. Raises InputError if it has no sources."""
    if not isinstance(data.get("sources"), list):
        raise InputError(["sources: expected a list"])
    return _Reading().workspace(data["sources"])


class _Reading:
    """One pass over a workspace, collecting notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def workspace(self, sources: list[Any]) -> Wanted:
        entries = self.entries("sources", sources)
        names = _unique_names(entries)
        keys: set[str] = set()
        taken = [s for path, entry in entries.items() if (s := self.source(path, names[path], entry, keys))]
        return Wanted(taken, self.destinations(entries, {source.path: source.name for source in taken}), self.notes)

    def source(self, path: str, name: str, entry: dict[str, Any], keys: set[str]) -> WantedSource | None:
        key = entry.get("writeKey")
        if not isinstance(key, str) or not 0 < len(key) <= WRITE_KEY_MOST or key in keys:
            self.note(path, name, "source not taken: no write key of its own")
        elif entry.get("deleted"):
            self.note(path, name, "source not taken: deleted")
        else:
            keys.add(key)
            if _mapping(entry.get("dgSourceTrackingPlanConfig")).get("trackingPlan"):
                self.note(path, name, "tracking plan not taken")
            return WantedSource(path, name, key, SOURCE_DEFAULTS | {"enabled": _is_enabled(entry)})
        return None

    def destinations(self, sources: dict[str, dict[str, Any]], taken: dict[str, str]) -> list[WantedDestination]:
        """Each destination once, however many sources it is nested in."""
        entries: dict[str, dict[str, Any]] = {}
        connected: dict[str, list[str]] = defaultdict(list)
        place_of: dict[str, str] = {}
        for path, source in sources.items():
            for place, entry in self.entries(at(path, "destinations"), source.get("destinations", [])).items():
                first = place_of.setdefault(str(entry.get("id") or place), place)
                entries.setdefault(first, entry)
                if path in taken:
                    connected[first].append(taken[path])
        names = _unique_names(entries)
        found = (self.destination(path, names[path], entry, connected[path]) for path, entry in entries.items())
        return [destination for destination in found if destination]

    def destination(self, path: str, name: str, entry: dict[str, Any], sources: list[str]) -> WantedDestination | None:
        try:
            schema, given, config = _configured(entry)
        except NotTakenError as error:
            self.note(path, name, f"destination not taken: {error}")
            return None
        ignored = sorted(given.keys() - config.keys() - {"eventFilteringOption", *_FILTERS})
        if ignored:
            self.note(path, name, f"config keys not taken: {', '.join(ignored)}")
        if entry.get("transformations"):
            self.note(path, name, "transformations not taken: events are sent as accepted")
        fields = {"type": schema.type, "config": config, "enabled": _is_enabled(entry)}
        fields["event_filter"] = _event_filter(given)
        return WantedDestination(path, name, DESTINATION_DEFAULTS | fields, sources)

    def entries(self, path: str, items: Any) -> dict[str, dict[str, Any]]:
        """The mappings of a list by their path."""
        found = {at(path, i): item for i, item in enumerate(items)} if isinstance(items, list) else {path: items}
        self.notes += [f"{place}: not taken: not a mapping" for place, item in found.items() if not _mapping(item)]
        return {place: item for place, item in found.items() if _mapping(item)}

    def note(self, path: str, name: str, text: str) -> None:
        self.notes.append(f"{path} ({name}): {text}")


def _configured(entry: dict[str, Any]) -> tuple[Schema, dict[str, Any], dict[str, Any]]:
    """The schema of a destination, all configuration it comes with, and the part of it that we know.

    Raises NotTakenError.
    """
    if entry.get("deleted") or entry.get("isProcessorEnabled") is False:
        raise NotTakenError("deleted, or sent to by devices only")
    definition = _mapping(entry.get("destinationDefinition")).get("name")
    try:
        schema = registry.schema(registry.type_of_definition(str(definition or "")))
    except registry.UnknownTypeError as error:
        raise NotTakenError(str(error)) from None
    given = _mapping(entry.get("config")) | _mapping(entry.get("secretConfig"))
    config = {key: value for key, value in given.items() if key in schema.root["properties"]}
    if problems := schema.validate(config):
        raise NotTakenError("; ".join(f"{path}: {problem}" for path, problem in problems))
    return schema, given, config


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_enabled(entry: dict[str, Any]) -> bool:
    return entry.get("enabled") is not False


def _event_filter(config: dict[str, Any]) -> dict[str, Any]:
    """The list that eventFilteringOption names, without the empty rows of its form."""
    option = config.get("eventFilteringOption")
    rows = config.get(str(option))
    if option not in _FILTERS or not isinstance(rows, list):
        return {}
    names = [str(_mapping(row).get("eventName") or "").strip() for row in rows]
    return {_FILTERS[option]: list(dict.fromkeys(name for name in names if name))}


def _unique_names(entries: dict[str, dict[str, Any]]) -> dict[str, str]:
    """A name for each path. The oldest keeps its name, so that adding another does not rename it."""

    def age(path: str) -> tuple[str, str]:
        return str(entries[path].get("createdAt") or ""), str(entries[path].get("id") or path)

    names: dict[str, str] = {}
    for path in sorted(entries, key=age):
        identity = _clean(entries[path].get("id")) or path
        name = _clean(entries[path].get("name")) or identity
        if name in names.values():
            name = f"{name[: NAME_MOST - len(identity) - 3]} ({identity})"
        names[path] = name
    return names


def _clean(value: Any) -> str:
    return re.sub(r"[\x00-\x1f\x7f]", " ", str(value or "")).strip()[:NAME_MOST].strip()
