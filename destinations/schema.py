"""A destination type's schema: which configuration it takes, which of it is secret.

A schema is data, read without importing the plugin, so that what accepts, shows or applies configuration runs no
plugin code. It is a small part of JSON Schema, with `secret` and `hint` added.
"""

import base64
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from destinations import schema_urls
from destinations.schema_urls import MASK as MASK

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
Problem = tuple[str, str]  # (path inside the configuration, what is wrong there)


@dataclass(frozen=True, slots=True)
class Schema:
    """One destination type. `definition` is the name of RudderStack's destination definition, empty if it has none."""

    type: str
    display_name: str
    definition: str
    root: dict[str, Any]

    def validate(self, config: Any) -> list[Problem]:
        """Everything that is wrong with a configuration; values are not repeated in it, they may be secrets."""
        return list(_problems("", self.root | {"type": "object"}, config))

    def mask(self, config: Any) -> Any:
        """A copy to show: secrets replaced, also those in URLs."""
        return _masked(self.root, config)

    def unmask(self, config: Any, stored: Any) -> Any:
        """A masked copy that was edited, with the secrets of what is stored put back where the mask still stands."""
        return _unmasked(self.root, config, stored)

    def secrets(self, config: Any) -> list[str]:
        """The secret values in a configuration, to be masked wherever they come back, longest first."""
        return sorted(set(_secrets(self.root, config)), key=lambda value: (-len(value), value))


def _problems(path: str, node: dict[str, Any], value: Any) -> Iterator[Problem]:
    wanted = node.get("type", "object")
    if not isinstance(value, _TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean"):
        yield path, f"expected {wanted}"
    elif isinstance(value, dict):
        yield from _object_problems(path, node, value)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _problems(f"{path}[{index}]", node["items"], item)
    elif problem := _scalar_problem(node, value):
        yield path, problem


def _object_problems(path: str, node: dict[str, Any], value: dict[Any, Any]) -> Iterator[Problem]:
    known = node.get("properties", {})
    for name in node.get("required", ()):
        if name not in value:
            yield _join(path, name), "required"
    for name, inner in value.items():
        if name in known:
            yield from _problems(_join(path, name), known[name], inner)
        else:
            yield _join(path, str(name)), f"unknown key, expected {', '.join(known)}"


def _scalar_problem(node: dict[str, Any], value: Any) -> str | None:
    if "enum" in node and value not in node["enum"]:
        return f"expected one of {', '.join(node['enum'])}"
    if "pattern" in node and not re.fullmatch(node["pattern"], value):
        return str(node["hint"])
    if "minimum" in node and not (math.isfinite(value) and node["minimum"] <= value <= node["maximum"]):
        return f"expected {node['minimum']} to {node['maximum']}"
    return _FORMATS[node["format"]](value) if "format" in node else None


def _url_problem(value: str) -> str | None:
    try:
        parts = urlsplit(value)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or re.search(r"[\x00-\x20\x7f]", value):
        return "expected a URL starting with http:// or https://"
    return None


def _signing_secret_problem(value: str) -> str | None:
    for secret in value.split():
        try:
            if len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) < 16:
                return "a secret is shorter than 16 bytes"
        except ValueError:  # binascii.Error among them; characters beyond ASCII raise the plain one
            return "expected whsec_ and base64"
    return None


_FORMATS = {"url": _url_problem, "signing_secret": _signing_secret_problem}


def _masked(node: dict[str, Any], value: Any) -> Any:
    if node.get("secret"):
        return MASK if value else value
    if isinstance(value, dict):
        known = node.get("properties", {})
        return {name: _masked(known.get(name, {"secret": True}), inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked(node.get("items", {}), item) for item in value]
    if node.get("format") == "url" and isinstance(value, str):
        return schema_urls.mask(value)
    return value


def _unmasked(node: dict[str, Any], value: Any, stored: Any) -> Any:
    if isinstance(value, dict) and isinstance(stored, dict):
        known = node.get("properties", {})
        return {name: _unmasked(known.get(name, {}), inner, stored.get(name)) for name, inner in value.items()}
    if isinstance(value, list) and isinstance(stored, list):
        padded = [*stored, *[None] * len(value)]
        return [_unmasked(node.get("items", {}), item, old) for item, old in zip(value, padded, strict=False)]
    return stored if stored is not None and value == _masked(node, stored) else value


def _secrets(node: dict[str, Any], value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _secrets(node.get("properties", {}).get(name, {}), inner)
    elif isinstance(value, list):
        for item in value:
            yield from _secrets(node.get("items", {}), item)
    elif node.get("secret") and isinstance(value, str):
        # Of a value with several words also the long ones: several signing secrets, the token after `Bearer`.
        yield from (word for word in [value.strip(), *value.split()] if word == value.strip() != "" or len(word) >= 8)
    elif node.get("format") == "url" and isinstance(value, str):
        yield from schema_urls.secrets(value)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
