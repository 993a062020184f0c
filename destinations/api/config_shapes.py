"""The parts of a destination's body: its type's configuration, when it is retried, which events it wants."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from destinations import registry
from destinations.api.shapes import MOST_INTEGER, EventNameField, Shape, StrictInteger
from destinations.apply.shape import read_event_filter, read_retry
from destinations.apply.wanted import InputError

_WHSEC = r"(whsec_)?[A-Za-z0-9+/]{22,}={0,2}"
# What destinations.schema adds to JSON Schema, as far as a pattern can say it.
_FORMATS = {
    "url": {"pattern": r"^https?://[a-zA-Z0-9]"},
    "signing_secret": {"pattern": rf"^({_WHSEC}( {_WHSEC})*)?$"},
}
_KEPT = ("type", "description", "properties", "required", "items", "enum", "pattern", "minimum", "maximum")


def json_schema(node: dict[str, Any]) -> dict[str, Any]:
    """A destination type's schema in OpenAPI's dialect of JSON Schema."""
    found = {key: node[key] for key in _KEPT if key in node} | _FORMATS.get(node.get("format", ""), {})
    found.setdefault("type", "object")
    if node.get("secret"):
        found |= {"description": " ".join(filter(None, [node.get("description"), "Secret: shown as ***."]))}
    if "properties" in node:
        found["properties"] = {name: json_schema(inner) for name, inner in node["properties"].items()}
    if found["type"] == "object":
        found["additionalProperties"] = False
    if "items" in node:
        found["items"] = json_schema(node["items"])
    return found


def config_schema() -> dict[str, Any]:
    """Any type's configuration."""
    return {"anyOf": [json_schema(registry.schema(name).root) | {"title": name} for name in registry.types()]}


@extend_schema_field(config_schema())
class ConfigField(serializers.Field):  # type: ignore[type-arg]
    """A configuration as JSON; judged together with its type."""

    def to_internal_value(self, data: Any) -> Any:
        refuse_unstorable(data)
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class StrictNumber(serializers.FloatField):
    """A number of the body; texts are not taken for one."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            raise serializers.ValidationError("expected a number")
        return super().to_internal_value(data)


def _seconds() -> StrictNumber:
    return StrictNumber(min_value=0.001, max_value=999_999_999, required=False)


class RetryShape(Shape):
    """When to try again and when to give up; what is left out is as the settings have it."""

    window_seconds = _seconds()
    attempts = StrictInteger(min_value=1, max_value=MOST_INTEGER, required=False)
    base_seconds = _seconds()
    max_seconds = _seconds()

    def validate(self, attrs: Any) -> Any:
        return _read(read_retry, attrs, "retry")


class EventFilterShape(Shape):
    """Names of track events: only these (`allow`), or all but these (`deny`)."""

    allow = serializers.ListField(child=EventNameField(), required=False)
    deny = serializers.ListField(child=EventNameField(), required=False)

    def validate(self, attrs: Any) -> Any:
        return _read(read_event_filter, attrs, "event_filter")


def _read(reader: Any, value: Any, path: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = reader(dict(value))
    except InputError as error:
        raise serializers.ValidationError([problem.removeprefix(f"{path}: ") for problem in error.problems]) from None
    return found


def refuse_unstorable(value: Any) -> None:
    """Raise ValidationError for text that no database column takes: NUL, and halves of surrogate pairs."""
    if isinstance(value, dict):
        for name, inner in value.items():
            refuse_unstorable(name)
            refuse_unstorable(inner)
    elif isinstance(value, list):
        for inner in value:
            refuse_unstorable(inner)
    elif isinstance(value, str) and ("\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value)):
        raise serializers.ValidationError("text with NUL or a half of a surrogate pair cannot be stored")
