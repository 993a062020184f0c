"""Taking secrets out of texts that come back from outside: answers that repeat a header, errors that quote a URL.

Pure. Must never miss a form that a secret commonly comes back in: as it is, percent-encoded, escaped in JSON or HTML,
in base64 alone or inside a longer text, or cut off at the end of a text.
"""

import base64
import binascii
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = "***"
CUT_MOST = 8  # so much of a secret's beginning, at the end of a text, is taken for the secret cut off
CORE_LEAST = 10  # shorter pieces of base64 stand in texts by chance


def masker(secrets: Iterable[str]) -> Callable[[str], str]:
    """A function that replaces these secrets, in every common form, by the mask."""
    forms = sorted({form for secret in secrets for form in _forms(secret)}, key=lambda form: (-len(form), form))
    if not forms:
        return str
    anywhere = re.compile("|".join(map(re.escape, forms)))
    cut = [form for form in forms if len(form) > CUT_MOST]

    def mask(text: str) -> str:
        return _without_cut(anywhere.sub(MASK, text), cut)

    return mask


def _without_cut(text: str, forms: list[str]) -> str:
    """The text without the beginning of a secret at its end."""
    tail = text[-max(map(len, forms), default=0) :]
    for form in forms:
        start = tail.rfind(form[:CUT_MOST])
        if start >= 0 and form.startswith(tail[start:]):
            return text[: len(text) - len(tail) + start] + MASK
    return text


def _forms(secret: str) -> Iterator[str]:
    for text in {secret, *_decoded(secret)}:
        yield text
        for encoded in (quote(text, safe=""), quote(text), quote_plus(text)):
            yield encoded
            yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), encoded)
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield html.escape(text)
        yield from _base64(text.encode())


def _decoded(secret: str) -> Iterator[str]:
    """What is in base64 itself, as of `Authorization: Basic`: user and password, and the password."""
    try:
        plain = base64.b64decode(secret, validate=True).decode()
    except (binascii.Error, ValueError):
        return
    if plain.isprintable() and len(plain) >= CUT_MOST:
        yield plain
        password = plain.partition(":")[2]
        if len(password) >= CUT_MOST:
            yield password


def _base64(raw: bytes) -> Iterator[str]:
    """Alone, and the part that is the same wherever it stands in something longer, by its place modulo three."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(raw).decode()
        yield whole
        for offset in range(3):
            encoded = encode(bytes(offset) + raw).decode().rstrip("=")
            first = (0, 2, 3)[offset]
            core = encoded[first : (offset + len(raw)) * 8 // 6]
            if len(core) >= CORE_LEAST:
                yield core
