"""From the bytes of a request body to a JSON value that can be stored and written out again without loss.

Pure. Numbers keep their digits, text becomes storable (no NUL, no lone surrogate, valid UTF-8). Must never raise
anything but BodyError, whatever the bytes.
"""

import json
import re
import zlib
from typing import Any, NoReturn

import orjson

INVALID_JSON = "invalid json"
EMPTY_BODY = "request body is nil"
TOO_LARGE = "request size exceeds max limit"

_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
# Escapes that PostgreSQL's text or UTF-8 cannot hold: NUL and surrogates. Harmless pairs (emoji) match too.
_SUSPICIOUS = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
# Every escape of a JSON text, left to right, so that the `u0000` of `\\u0000` is not mistaken for one.
_ESCAPE = re.compile(
    rb"\\(?:(?P<pair>u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<nul>u0000)|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
# A run of digits and points this long may be more than a double or 64 bits hold. (Seven times faster than a regex.)
_DIGITS = bytes.maketrans(b"123456789.", b"0000000000")
_LONG_NUMBER = b"0" * 16
_MAX_GZIP_MEMBERS = 32  # each costs a copy of what follows it


class BodyError(Exception):
    """The body cannot be used; `status` and `reason` are the answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def decode(body: bytes, encoding: str, max_bytes: int) -> Any:
    """The JSON value of a body that may be gzipped (`encoding` is its Content-Encoding).

    Numbers that 64 bits or a double cannot hold come as orjson.Fragment. Raises BodyError.
    """
    return parse(inflate(body, encoding, max_bytes))


def inflate(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The body without its gzip layer, never more than `max_bytes` of it in memory. Raises BodyError."""
    if not body:
        raise BodyError(400, EMPTY_BODY)
    # JSON cannot start like gzip, and some proxies drop the header.
    if "gzip" in encoding.lower() or body.startswith(_GZIP):
        body = _gunzip(body, max_bytes)
    if len(body) > max_bytes:
        raise BodyError(413, TOO_LARGE)
    return body


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    free = max_bytes
    while body:
        if len(parts) == _MAX_GZIP_MEMBERS:
            raise BodyError(400, "invalid gzip")
        member = zlib.decompressobj(wbits=31)
        try:
            part = member.decompress(body, free + 1)
        except zlib.error:
            raise BodyError(400, "invalid gzip") from None
        free -= len(part)
        if free < 0:
            raise BodyError(413, TOO_LARGE)
        if not member.eof:
            raise BodyError(400, "truncated gzip")
        parts.append(part)
        body = member.unused_data.lstrip(b"\0")  # some writers pad with zeros; other members may follow
    return b"".join(parts)


def parse(text: bytes) -> Any:
    """The value of a JSON text. Of duplicate keys the last counts; bytes that are not UTF-8 become U+FFFD.

    Raises BodyError for anything that is not JSON, NaN and numbers beyond a double included.
    """
    text = text.removeprefix(_BOM)
    if not text.strip():
        raise BodyError(400, EMPTY_BODY)
    if _SUSPICIOUS.search(text):
        text = _ESCAPE.sub(_storable, text)
    if _LONG_NUMBER in text.translate(_DIGITS):
        return _parse_exactly(text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _parse_replacing(text)


def _storable(escape: re.Match[bytes]) -> bytes:
    match escape.lastgroup:
        case "nul":
            return b""
        case "lone":
            return rb"\ufffd"
        case _:
            return escape.group()


def _parse_replacing(text: bytes) -> Any:
    try:
        text.decode()
    except UnicodeDecodeError:
        return _parse_exactly(text)
    raise BodyError(400, INVALID_JSON)


def _parse_exactly(text: bytes) -> Any:
    """Slower: every number that Python or orjson would round stays as its text."""
    try:
        # strict=True: control characters inside strings are not JSON
        return json.loads(text.decode(errors="replace"), parse_int=_integer, parse_float=_float, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BodyError(400, INVALID_JSON) from None


def _integer(digits: str) -> Any:
    return int(digits) if len(digits) < 19 else orjson.Fragment(digits)


def _float(digits: str) -> Any:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError(digits)
    return value if len(digits) < 16 else orjson.Fragment(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
