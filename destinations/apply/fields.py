"""Readers of single values: each returns what to store, or raises ValueError with what was expected."""

import re
from collections.abc import Callable
from typing import Any

from destinations.apply.document import read_filled
from ingest.models import Source

Reader = Callable[[Any], Any]

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_INTEGER_MOST = 2**31 - 1  # of the column


def text(most: int) -> Reader:
    """A text that is not empty, has no space around it and no control characters."""

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("expected text")  # noqa: TRY004
        if not value or value != value.strip() or re.search(r"[\x00-\x1f\x7f]", value):
            raise ValueError("expected text, not empty, without spaces around it or control characters")
        if len(value) > most:
            raise ValueError(f"longer than {most} characters")
        return str(value)

    return read


def switch(value: Any) -> bool:
    """true or false."""
    value = read_filled(value)
    if not isinstance(value, bool):
        raise ValueError("expected true or false")  # noqa: TRY004
    return value


def positive(value: Any) -> int:
    """A whole number above 0."""
    value = read_filled(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _INTEGER_MOST:
        raise ValueError("expected a whole number above 0")
    return value


def limit(value: Any) -> int | None:
    """A whole number above 0, or null for no limit."""
    return None if value is None else positive(value)


def seconds(value: Any) -> float:
    """A number of seconds above 0, or a text such as 90s, 15m, 3h, 1d."""
    value = read_filled(value)
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", value)):
        value = float(match[1]) * _UNITS[match[2]]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise ValueError("expected seconds above 0, or a text such as 90s, 15m, 3h")
    return float(value)


def user_key(value: Any) -> str:
    """Which id comes first."""
    if value not in Source.UserKey.values:
        raise ValueError(f"expected one of {', '.join(Source.UserKey.values)}")
    return str(value)


def names(value: Any) -> list[str]:
    """Event names, without repetition."""
    if not isinstance(value, list) or not all(isinstance(name, str) and name.strip() for name in value):
        raise ValueError("expected a list of event names")
    return list(dict.fromkeys(name.strip() for name in value))
