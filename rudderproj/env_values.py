"""Readers of single environment variables: text to value, or a ValueError that says what was expected.

Must never import Django, or put a value into a message: it may be a secret.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from rudderproj import dsn

KEY_BYTES = 32


def text(value: str) -> str:
    return value


def switch(value: str) -> bool:
    lowered = value.lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError("expected 1 or 0")


def positive(value: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value) == 0:
        raise ValueError("expected a whole number above 0")
    return int(value)


def port(value: str) -> int:
    number = positive(value)
    if number > 65535:
        raise ValueError("expected a port, 1 to 65535")
    return number


def port_or_none(value: str) -> int:
    return port(value) if value else 0


def depth(value: str) -> int:
    number = positive(value)
    if number > 200:  # nothing deeper than 254 levels can be written out again
        raise ValueError("expected at most 200")
    return number


def days(value: str) -> int:
    number = positive(value)
    if number > 36500:
        raise ValueError("expected at most 36500 days")
    return number


def come_back(value: str) -> int:
    """Seconds of a Retry-After. A timer of JavaScript that is too long for it rings at once."""
    number = positive(value)
    if number > 3600:
        raise ValueError("expected at most 3600 seconds")
    return number


def seconds(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e9:
        raise ValueError("expected seconds above 0")
    return number


def seconds_or_none(value: str) -> float:
    return seconds(value) if value and value != "0" else 0.0


def time_limit(value: str) -> float:
    """Seconds that PostgreSQL gets as whole milliseconds of 32 bits, where 0 is no limit."""
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if number != 0 and not 0.001 <= number <= 2_147_483:
        raise ValueError("expected seconds from 0.001 to 2147483, or 0 for no limit")
    return number


def words(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


def words_of(*allowed: str) -> Callable[[str], list[str]]:
    """A reader of some of these words, comma-separated, each at most once."""

    def read(value: str) -> list[str]:
        found = words(value.lower())
        if not set(found) <= set(allowed):
            raise ValueError(f"expected one or more of {', '.join(allowed)}, comma-separated")
        return list(dict.fromkeys(found))

    return read


def hosts(value: str) -> list[str]:
    """Host names without scheme, port or path; a leading dot stands for every name below, `*` for all."""
    found = words(value)
    for number, host in enumerate(found, 1):
        if not re.fullmatch(r"\*|\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]", host):
            raise ValueError(f"entry {number}: expected a host name, without scheme, port or path")
    return found


def origins(value: str) -> list[str]:
    """Origins as a browser names them: scheme and host, perhaps a port."""
    found = words(value)
    for number, origin in enumerate(found, 1):
        if not re.fullmatch(
            r"https?://(\*\.)?[A-Za-z0-9_.-]+(:\d{1,5})?|https?://\[[0-9A-Fa-f:.]+\](:\d{1,5})?", origin
        ):
            raise ValueError(f"entry {number}: expected an origin, as https://admin.example.com")
    return found


def networks(value: str) -> list[str]:
    return [str(ipaddress.ip_network(word, strict=False)) for word in words(value)]


def url(*schemes: str) -> Callable[[str], str]:
    """A reader of URLs, empty or with one of these schemes."""

    def read(value: str) -> str:
        if not value:
            return value
        try:
            parts = urlsplit(value)
            valid = parts.scheme in schemes and (parts.port is None or parts.port > 0)
        except ValueError:
            valid = False
        if not valid:
            raise ValueError(f"expected a URL starting with {' or '.join(s + '://' for s in schemes)}")
        return value

    return read


def database(value: str) -> str:
    """A database URL as libpq reads it."""
    dsn.parameters(value)
    return value


def broker(value: str) -> str:
    """A broker URL; with TLS the server is verified unless the URL says otherwise (kombu's default is not to)."""
    if not value.startswith("sentinel://"):  # several, separated by semicolons
        value = url("redis", "rediss", "redis+socket")(value)
    if value.startswith("rediss://") and "ssl_cert_reqs=" not in value:
        value += ("&" if "?" in value else "?") + "ssl_cert_reqs=required"
    return value


def choice(*allowed: str) -> Callable[[str], str]:
    """A reader of one of a few words."""

    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}")
        return value

    return read


def autoscale(value: str) -> str:
    """The largest and the smallest number of processes, as Celery takes them."""
    if not (match := re.fullmatch(r"\s*([1-9]\d{0,4})\s*,\s*(\d{1,5})\s*", value)):
        raise ValueError("expected LARGEST,SMALLEST, as 8,1")
    largest, smallest = int(match[1]), int(match[2])
    if smallest > largest:
        raise ValueError("the first number is the largest: it must not be below the second")
    return f"{largest},{smallest}"


def keys(value: str) -> list[str]:
    """Keys of 32 bytes, in either alphabet of base64; in URL-safe base64 as Fernet takes them."""
    found = [word.translate(str.maketrans("+/", "-_")) for word in words(value)]
    for number, key in enumerate(found, 1):
        try:
            raw = base64.b64decode(key, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != KEY_BYTES:
            raise ValueError(f"key {number}: expected {KEY_BYTES} bytes in base64, as `openssl rand -base64 32` prints")
    if len(set(found)) < len(found):
        raise ValueError("a key is named twice")
    return found
