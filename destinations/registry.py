"""The destination types: one line each. Schemas are read as data; a plugin is imported when an event first needs it.

Must never import a plugin at import time: what accepts and what alerts runs no plugin code, and a plugin that fails to
import must not take anything else down.
"""

import functools
import importlib
import json
from pathlib import Path
from typing import cast

from destinations.plugins.base import Plugin
from destinations.schema import Schema

_TYPES = (
    "inbox",
    "webhook",
)
_FOLDER = Path(__file__).parent / "plugins"


class UnknownTypeError(LookupError):
    """No destination type of that name."""


def types() -> tuple[str, ...]:
    """The names of all destination types."""
    return _TYPES


@functools.cache
def schema(name: str) -> Schema:
    """The schema of a type, without importing its plugin. Raises UnknownTypeError."""
    if name not in _TYPES:
        raise UnknownTypeError(f"unknown destination type, expected one of {', '.join(_TYPES)}")
    root = json.loads((_FOLDER / name / "schema.json").read_text(encoding="utf-8"))
    return Schema(type=name, display_name=root["display_name"], definition=root["definition"], root=root)


def names(destination: str, type_name: str) -> frozenset[str]:
    """What an event's `integrations` may call a destination, in lower case. Raises UnknownTypeError."""
    return frozenset({destination.lower(), type_name.lower(), schema(type_name).display_name.lower()})


def type_of_definition(definition: str) -> str:
    """The type for the name of one of RudderStack's destination definitions. Raises UnknownTypeError."""
    for name in _TYPES:
        if definition and schema(name).definition == definition.upper():
            return name
    raise UnknownTypeError(f"no destination type for {definition or 'an empty definition'}")


def plugin(name: str) -> Plugin:
    """The plugin of a type, imported now if it was not yet. Raises UnknownTypeError or what importing it raises."""
    schema(name)
    return cast(Plugin, importlib.import_module(f"destinations.plugins.{name}.plugin"))
