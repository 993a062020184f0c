"""Serializers that refuse what they do not know, and the fields that the API's bodies and queries share."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from ingest.history import EARLIEST, LATEST

# Text without spaces around it and without control characters, as manage.py apply wants it.
NOT_BLANK = r"^[^\x00]*[^\s\x00][^\x00]*$"
TIDY = r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$"
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT.+(Z|[+-]\d\d:\d\d)$", re.ASCII)
MOST_INTEGER = 2**31 - 1  # of a column


class Shape(serializers.Serializer):  # type: ignore[type-arg]
    """A body or a query. An unknown field is an error: a misspelt one must not be ignored in silence."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = [name for name, field in self.fields.items() if not field.read_only]
            unknown = [str(name) for name in data if name not in known]
            if unknown:
                message = f"unknown field, expected {', '.join(known)}" if known else "unknown field: none is expected"
                raise serializers.ValidationError({name: ErrorDetail(message, "unknown") for name in unknown})
        return super().to_internal_value(data)


class StrictText(serializers.RegexField):
    """Text; numbers are not taken for it, spaces around it stay, and NUL, which no column holds, is refused."""

    default_error_messages = {"invalid": "expected text without NUL"}

    def __init__(self, pattern: str = r"^[^\x00]*$", **kwargs: Any) -> None:
        super().__init__(pattern, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("expected text")
        return super().to_internal_value(data)


class TidyField(StrictText):
    """A name or key: text without spaces around it or control characters."""

    default_error_messages = {"invalid": "expected text without spaces around it or control characters"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(TIDY, **kwargs)


class EventNameField(StrictText):
    """Name of a track event: there must be something to see in it."""

    default_error_messages = {"invalid": "expected a name"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(r"^[^\x00]*[^\s\x00][^\x00]*$", **kwargs)


class StrictBoolean(serializers.BooleanField):
    """true or false, and nothing that resembles them."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise serializers.ValidationError("expected true or false")
        return data


class StrictInteger(serializers.IntegerField):
    """A whole number of the body; texts are not taken for one."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError("expected a whole number")
        return super().to_internal_value(data)


@extend_schema_field(OpenApiTypes.DATETIME)
class MomentField(serializers.Field):  # type: ignore[type-arg]
    """A time with its zone; what no clock here can show is taken for the first or last that one can."""

    def to_internal_value(self, data: Any) -> datetime:
        text = str(data).strip().upper().replace(" ", "+")  # a + in a query that was not escaped
        if text.startswith("0000-"):
            return EARLIEST
        try:
            if not _RFC3339.match(text):
                raise ValueError
            found = datetime.fromisoformat(text)
        except ValueError:
            raise serializers.ValidationError("expected a time such as 2026-11-24T10:00:00Z") from None
        try:
            return min(max(found.astimezone(UTC), EARLIEST), LATEST)
        except OverflowError:
            return EARLIEST if found.year < 5000 else LATEST

    def to_representation(self, value: datetime) -> str:
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
