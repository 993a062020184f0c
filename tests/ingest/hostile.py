"""Bodies that no SDK sends, and what a JSON parser of another make finds in them."""

import gzip
import json
import re
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

# Written as escapes or as themselves: NUL, halves of pairs, what breaks lines, what is not in the plane of most.
HARD_TEXT = st.text(st.characters() | st.sampled_from('\x00\ud800\udfff\ud83d\ude00\\u0"\u2028\x7f\x1f'), max_size=12)
NUMBERS = st.sampled_from(
    [
        *("0", "-0", "1e5", "1E-400", "1e308", "1e309", "-1e999", "1.0", "0.1234567890123456789", "9" * 400),
        *("9" * 5000, "18446744073709551616", "-" + "9" * 19, "1." + "0" * 400),
        *("01", "1.", ".5", "+1", "0x1", "NaN", "-Infinity", "1_000"),  # no numbers
    ]
)
SCALARS = st.builds(json.dumps, HARD_TEXT | st.integers() | st.floats() | st.booleans() | st.none()) | NUMBERS
NAMES = st.builds(json.dumps, HARD_TEXT | st.sampled_from(["a", "a", "userId", "messageId", "type"]))


def _array(parts: list[str]) -> str:
    return f"[{','.join(parts)}]"


def _object(pairs: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}"


def _nested(inner: str, depth: int, mark: str) -> str:
    opening, closing = {"[": ("[", "]"), "{": ('{"a":', "}")}[mark]
    return opening * depth + inner + closing * depth


VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4).map(_array)
        | st.lists(st.tuples(NAMES, inner), max_size=4).map(_object)  # also with the same name twice
        | st.builds(_nested, inner, st.sampled_from([1, 30, 62, 63, 64, 65, 150]), st.sampled_from("[{"))
    ),
    max_leaves=12,
)
IDS = st.sampled_from(
    ["userId", "anonymousId", "messageId", "type", "event", "timestamp", "sentAt", "originalTimestamp"]
)
EVENTS = st.lists(st.tuples(IDS.map(json.dumps), VALUES | st.sampled_from(['"u"', '"track"'])), max_size=5).flatmap(
    lambda pairs: VALUES.map(lambda value: _object([('"userId"', '"u"'), *pairs, ('"properties"', value)]))
)
BYTES = st.sampled_from([b"", b"\x00", b"\xff", b"\xed\xa0\x80", b"{", b'"', b"\\"])
Damage = list[tuple[int, int, bytes]]  # where, how many bytes are taken out there, what is put in
DAMAGE = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), BYTES), max_size=3)


def damaged(body: bytes, damage: Damage) -> bytes:
    for at, taken, put in damage:
        at %= len(body) + 1
        body = body[:at] + put + body[at + taken :]
    return body


def _written(text: str, damage: Damage) -> bytes:
    """UTF-8 as far as it can be."""
    return damaged(text.encode(errors="surrogatepass"), damage)


BODIES = st.builds(_written, EVENTS | VALUES | st.text(max_size=20), DAMAGE | st.just([]))
BATCHES = st.builds(
    lambda events, more: f'{{"batch":[{",".join(events)}]{more}}}',
    st.lists(EVENTS.map(lambda event: event.replace("{", '{"type":"track",', 1)) | VALUES, max_size=4),
    st.sampled_from(["", ',"sentAt":5', ',"batch":null', "}"]),
)
BATCH_BODIES = st.builds(_written, BATCHES, DAMAGE | st.just([]))


def zipped(body: bytes, how: str, damage: Damage) -> bytes:
    """As one member of gzip or as two, or as text that once was gzip; with `damage` to it."""
    if how == "members":
        body = gzip.compress(body[: len(body) // 2], 1) + gzip.compress(body[len(body) // 2 :], 1)
    else:
        body = gzip.compress(body, 1)
    return damaged(body.decode("latin-1").encode() if how == "mojibake" else body, damage)


def read(body: bytes) -> Any:
    """What Python's own parser finds, with integers as Decimal. Raises ValueError or RecursionError."""
    return storable(json.loads(body.decode("utf-8-sig", errors="replace"), parse_int=Decimal))


def stored(payload: str) -> Any:
    """A payload of the log, to be compared with that."""
    return json.loads(payload, parse_int=Decimal)


def storable(value: Any) -> Any:
    """Without what text in PostgreSQL cannot hold."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value.replace("\x00", ""))
    if isinstance(value, list):
        return [storable(part) for part in value]
    if isinstance(value, dict):
        return {storable(name): storable(part) for name, part in value.items()}
    return value


# What acceptance fills in, corrects or takes out.
_COMPLETED = frozenset(
    [
        "type",
        "userId",
        "anonymousId",
        "originalTimestamp",
        "sentAt",
        "timestamp",
        "receivedAt",
        "request_ip",
        "rudderId",
    ]
)


_MADE_UP = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def kept(event: dict[str, Any]) -> dict[str, Any]:
    """What of an event must be in the log as it was sent; as its messageId None if one is or has to be made up."""
    named = {name: value for name, value in event.items() if name not in _COMPLETED}
    given = event.get("messageId")
    is_theirs = isinstance(given, str) and given.strip() and not _MADE_UP.fullmatch(given)
    return named | {"messageId": given if is_theirs else None}


def without_copies(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first of each messageId, and all that have none; as `kept` has them."""
    seen: set[str] = set()
    found = []
    for event in map(kept, events):
        if event["messageId"] not in seen:
            found.append(event)
            seen |= {event["messageId"]} - {None}
    return found
