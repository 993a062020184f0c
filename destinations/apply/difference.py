"""A difference as lines to read: `+` for what is new, `~` for what changes. Secrets and write keys are masked."""

import json
from typing import Any

from destinations import registry
from destinations.models import Destination
from destinations.schema import MASK
from ingest.models import Source


def lines(kind: str, row: Source | Destination, changed: dict[str, Any]) -> list[str]:
    """The lines for one row; `changed` has the new values, the row still the old ones."""
    if row.pk is None:
        given = [f"{name}: {text}" for name, value in changed.items() if (text := _shown(row, name, value, changed))]
        return [f"+ {kind} {row.name}: {', '.join(given)}"]
    found = []
    for name, value in changed.items():
        if name == "config":
            found += [f"~ {kind} {row.name}: {line}" for line in _config_lines(row, value, changed)]
        else:
            before, after = _shown(row, name, getattr(row, name), {}), _shown(row, name, value, changed)
            found.append(f"~ {kind} {row.name}: {name}: {before or 'null'} -> {after or 'null'}")
    return found


def _shown(row: Source | Destination, name: str, value: Any, changed: dict[str, Any]) -> str:
    """A value as text, empty for none."""
    if name == "write_key":
        return MASK
    if value is None or value == {}:
        return ""
    return _text(_masked(changed.get("type", getattr(row, "type", "")), value) if name == "config" else value)


def _config_lines(row: Any, config: dict[str, Any], changed: dict[str, Any]) -> list[str]:
    """One line for each key of a configuration that differs."""
    before, after = _masked(row.type, row.config), _masked(changed.get("type", row.type), config)
    keys = sorted(key for key in {**row.config, **config} if row.config.get(key) != config.get(key))
    found = []
    for key in keys:
        old, new = _text(before.get(key)), _text(after.get(key))
        found.append(f"config.{key}: {old} -> {new}" + (" (a secret in it differs)" if old == new else ""))
    return found


def _masked(type_name: str, config: Any) -> Any:
    try:
        return registry.schema(type_name).mask(config)
    except registry.UnknownTypeError:
        return dict.fromkeys(config, MASK)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
