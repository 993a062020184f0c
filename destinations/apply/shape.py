"""Data to what is wanted: every key, type and value of a YAML file is checked, every problem named by its path.

A source or destination that is named is described completely: what its entry leaves out has its default.
Must never put a value into a message: it may be a secret.
"""

from typing import Any, TypeVar

from destinations import registry
from destinations.apply import fields
from destinations.apply.document import at, read_filled
from destinations.apply.fields import Reader
from destinations.apply.wanted import InputError, Wanted, WantedDestination, WantedSource
from ingest.models import Source

T = TypeVar("T")

NAME_MOST, WRITE_KEY_MOST = 100, 200

_SOURCE: dict[str, Reader] = {
    "name": fields.text(NAME_MOST),
    "write_key": fields.text(WRITE_KEY_MOST),
    "enabled": fields.switch,
    "rate_limit": fields.limit,
    "user_key": fields.user_key,
}
_DESTINATION: dict[str, Reader] = {
    "name": fields.text(NAME_MOST),
    "enabled": fields.switch,
    "rate_limit": fields.limit,
    "max_concurrency": fields.limit,
}
_RETRY: dict[str, Reader] = {
    "window_seconds": fields.seconds,
    "attempts": fields.positive,
    "base_seconds": fields.seconds,
    "max_seconds": fields.seconds,
}
_RETRY_ALIASES = {"window": "window_seconds", "base": "base_seconds", "max": "max_seconds"}
_FILTER: dict[str, Reader] = {"allow": fields.names, "deny": fields.names}

SOURCE_DEFAULTS: dict[str, Any] = {"enabled": True, "rate_limit": None, "user_key": Source.UserKey.ANONYMOUS_ID.value}
DESTINATION_DEFAULTS: dict[str, Any] = {
    "enabled": True,
    "rate_limit": None,
    "max_concurrency": None,
    "retry": {},
    "event_filter": {},
}


def read(data: Any) -> Wanted:
    """What a YAML file asks for. Raises InputError with every problem in it."""
    return _Reading().document(data)


def read_retry(data: Any) -> dict[str, Any]:
    """A retry policy in any of its spellings, as it is stored. Raises InputError."""
    reading = _Reading()
    return reading.checked(reading.retry("retry", data))


def read_event_filter(data: Any) -> dict[str, Any]:
    """An event filter as it is stored. Raises InputError."""
    reading = _Reading()
    return reading.checked(reading.event_filter("event_filter", data))


class _Reading:
    """One pass over a document, collecting problems."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def document(self, data: Any) -> Wanted:
        parts = self.mapping("", data, {"sources": list, "destinations": list}) or {}
        sources = [self.source(at("sources", i), item) for i, item in enumerate(parts.get("sources", []))]
        destinations = [
            self.destination(at("destinations", i), item) for i, item in enumerate(parts.get("destinations", []))
        ]
        wanted = Wanted([s for s in sources if s], [d for d in destinations if d])
        self.problems += repeated(wanted)
        return self.checked(wanted)

    def checked(self, found: T) -> T:
        """What was found, if nothing was wrong. Raises InputError."""
        if self.problems:
            raise InputError(self.problems)
        return found

    def source(self, path: str, data: Any) -> WantedSource | None:
        entry = self.mapping(path, data, dict.fromkeys(_SOURCE))
        if entry is None:
            return None
        found = self.values(path, entry, _SOURCE)
        self.require(path, entry, "name")
        chosen = {key: found.get(key, default) for key, default in SOURCE_DEFAULTS.items()}
        return WantedSource(path, found.get("name", ""), found.get("write_key"), chosen)

    def destination(self, path: str, data: Any) -> WantedDestination | None:
        known = [*_DESTINATION, "type", "config", "sources", "retry", "event_filter"]
        entry = self.mapping(path, data, dict.fromkeys(known))
        if entry is None:
            return None
        self.require(path, entry, "name", "type")
        found = self.values(path, entry, _DESTINATION)
        found |= self.typed(path, entry)
        found["retry"] = self.retry(at(path, "retry"), entry.get("retry"))
        found["event_filter"] = self.event_filter(at(path, "event_filter"), entry.get("event_filter"))
        name = found.pop("name", "")
        return WantedDestination(path, name, DESTINATION_DEFAULTS | found, self.sources(path, entry))

    def typed(self, path: str, entry: dict[str, Any]) -> dict[str, Any]:
        """The type, and the configuration as that type wants it."""
        try:
            schema = registry.schema(str(entry.get("type", "")))
        except registry.UnknownTypeError as error:
            if "type" in entry:
                self.problems.append(f"{at(path, 'type')}: {error}")
            return {}
        config = _plain(schema.root, entry["config"] if entry.get("config") is not None else {})
        for inner, problem in schema.validate(config):
            self.problems.append(f"{at(path, f'config.{inner}' if inner else 'config')}: {problem}")
        return {"type": schema.type, "config": config}

    def sources(self, path: str, entry: dict[str, Any]) -> list[str] | None:
        if "sources" not in entry:
            return None
        if not isinstance(entry["sources"], list):
            self.problems.append(f"{at(path, 'sources')}: expected a list of source names")
            return None
        place = at(path, "sources")
        read = dict.fromkeys(range(len(entry["sources"])), _SOURCE["name"])
        found = self.values(place, dict(enumerate(entry["sources"])), read)
        return list(dict.fromkeys(found.values()))

    def retry(self, path: str, data: Any) -> dict[str, Any]:
        if data is None:
            return {}
        spellings = dict.fromkeys([*_RETRY, *_RETRY_ALIASES, "backoff"])
        entry = dict(self.mapping(path, data, spellings) or {})
        backoff = self.mapping(at(path, "backoff"), entry.pop("backoff", {}), dict.fromkeys(spellings)) or {}
        found = self.values(path, entry, _readers(_RETRY_ALIASES))
        found |= self.values(at(path, "backoff"), backoff, _readers(_RETRY_ALIASES))
        policy = {_RETRY_ALIASES.get(key, key): value for key, value in found.items()}
        if "base_seconds" in policy and policy["base_seconds"] > policy.get("max_seconds", float("inf")):
            self.problems.append(f"{path}: base_seconds is above max_seconds")
        return policy

    def event_filter(self, path: str, data: Any) -> dict[str, Any]:
        if data is None or data == {}:
            return {}
        entry = self.mapping(path, data, dict.fromkeys(_FILTER))
        if entry is not None and len(entry) > 1:
            self.problems.append(f"{path}: expected allow or deny, not both")
        return self.values(path, entry or {}, _FILTER)

    def mapping(self, path: str, data: Any, known: dict[str, Any]) -> dict[str, Any] | None:
        """A mapping with no other keys than the known; a known key's type, if given, is checked as well."""
        if not isinstance(data, dict):
            self.problems.append(f"{path or 'the file'}: expected a mapping with {', '.join(known)}")
            return None
        kept = {}
        for key, value in data.items():
            if key not in known:
                self.problems.append(f"{at(path, str(key))}: unknown key, expected {', '.join(known)}")
            elif known[key] is not None and not isinstance(value, known[key]):
                self.problems.append(f"{at(path, str(key))}: expected a list")
            else:
                kept[key] = value
        return kept

    def values(self, path: str, entry: dict[Any, Any], readers: dict[Any, Reader]) -> dict[Any, Any]:
        """The entry's values that its readers accept; the others become problems."""
        found = {}
        for key in entry.keys() & readers.keys():
            try:
                found[key] = readers[key](entry[key])
            except ValueError as error:
                self.problems.append(f"{at(path, key)}: {error}")
        return {key: found[key] for key in entry if key in found}

    def require(self, path: str, entry: dict[str, Any], *keys: str) -> None:
        self.problems += [f"{at(path, key)}: required" for key in keys if key not in entry]


def repeated(wanted: Wanted) -> list[str]:
    """A problem for each name or write key that the file gives to two entries."""
    named = [("source", source.name, at(source.path, "name")) for source in wanted.sources]
    named += [("destination", destination.name, at(destination.path, "name")) for destination in wanted.destinations]
    named += [("key", source.write_key or "", at(source.path, "write_key")) for source in wanted.sources]
    first: dict[tuple[str, str], str] = {}
    return [
        f"{place}: the same as {first[kind, value]}"
        for kind, value, place in named
        if value and first.setdefault((kind, value), place) != place
    ]


def _readers(aliases: dict[str, str]) -> dict[str, Reader]:
    return _RETRY | {alias: _RETRY[name] for alias, name in aliases.items()}


def _plain(node: dict[str, Any], value: Any) -> Any:
    """Configuration with filled-in texts made plain: numbers and switches where the schema wants them."""
    if isinstance(value, dict):
        known = node.get("properties", {})
        return {key: _plain(known.get(key, {}), inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(node.get("items", {}), item) for item in value]
    if isinstance(value, str):
        return read_filled(value) if node.get("type") in {"number", "integer", "boolean"} else str(value)
    return value
