"""Making texts fit to be told: one line, of bounded length, without characters that a database or a provider refuses.

Pure. Must never fail for a value, whatever it is: an incident that cannot be told is worse than one told badly.
"""

from collections.abc import Mapping
from typing import Any

SUMMARY_MOST = 500
TEXT_MOST = 2000
DETAILS_MOST = 40
_ORDER = (
    *("what", "since", "until", "by", "reason", "restarts", "last_crash", "crash", "waiting_events"),
    *("first_failing_event", "answer", "what_to_do", "link"),
)


def one_line(text: str, most: int = SUMMARY_MOST) -> str:
    """Without line breaks and control characters, cut to `most` characters."""
    return cut(" ".join(clean(text).split()), most)


def clean(text: str) -> str:
    """Without control characters but line breaks and tabs, and without halves of surrogate pairs."""
    whole = text.encode("utf-8", "replace").decode()
    return "".join(char if char.isprintable() or char in "\n\t" else " " for char in whole)


def cut(text: str, most: int) -> str:
    """With an ellipsis where something is missing."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def details(given: Mapping[str, Any]) -> dict[str, Any]:
    """As they are kept: numbers as they are, everything else as text; empty ones left out."""
    found = {}
    for name, value in list(given.items())[:DETAILS_MOST]:
        if value in (None, "", [], ()):
            continue
        is_number = isinstance(value, int | float)
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        found[one_line(str(name), 100)] = value if is_number else cut(clean(text).strip(), TEXT_MOST)
    return found


def in_order(given: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Details as people read them: what happened first, what to do last; what we have no place for between."""
    last = _ORDER.index("what_to_do")
    place = {name: (index if index < last else index + 1) for index, name in enumerate(_ORDER)}
    return sorted(given.items(), key=lambda item: place.get(item[0], last))


def label(name: str) -> str:
    """waiting_events -> Waiting events."""
    return name.replace("_", " ").capitalize()
