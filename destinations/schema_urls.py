"""What is secret in a URL: user and password, tokens in the query, tokens in the path. Pure.

Must never call a whole URL secret: where events go is what an operator has to see.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus, urlsplit

from rudderproj.masking import MASK as MASK

_NAMED = re.compile(r"auth|key|pass|pwd|secret|sig|token", re.IGNORECASE)  # of a query's name
_NAMED_LEAST, _LEAST = 4, 20  # characters of a value with such a name, and of any other, to be a secret
_TOKEN = re.compile(rf"(?=[^/]*\d)[\w.~+=-]{{{_LEAST},}}")  # of a path: as long, with a digit in it

_PARTS = re.compile(r"([^:/?#]+://)(?:([^/?#]*)@)?([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)


def mask(url: str) -> str:
    """The URL to show."""
    if not (match := _PARTS.fullmatch(url)):
        return MASK
    scheme, user, host, path, query, fragment = (part or "" for part in match.groups())
    path = "/".join([MASK if _is_token(segment) else segment for segment in path.split("/")])
    query = "&".join(map(_masked_pair, query.split("&")))
    return f"{scheme}{user and MASK + '@'}{host}{path}{query}{fragment}"


def secrets(url: str) -> Iterator[str]:
    """The secret parts, as they stand in the URL and decoded."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    user = parts.netloc.rpartition("@")[0]
    for part in (user, user.partition(":")[2]):
        yield from _both(part, unquote(part))
    for segment in parts.path.split("/"):
        if segment == MASK or _is_token(segment):
            yield from _both(segment, unquote(segment))
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        if _is_secret(name, value):
            yield from _both(value, unquote_plus(value))


def _both(text: str, decoded: str) -> Iterator[str]:
    yield from (one for one in dict.fromkeys([text, decoded]) if one)


def _is_token(segment: str) -> bool:
    return bool(_TOKEN.fullmatch(segment))


def _is_secret(name: str, value: str) -> bool:
    if value == MASK or len(value) >= _LEAST:
        return True
    return len(value) >= _NAMED_LEAST and bool(_NAMED.search(name))


def _masked_pair(pair: str) -> str:
    name, equals, value = pair.partition("=")  # the first name begins with the question mark
    return f"{name}={MASK}" if equals and _is_secret(name, value) else pair
