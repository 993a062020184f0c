"""What stands in the log in place of an event whose person was forgotten: that there was one, and nothing about it.

The row keeps its place, lane and message id, so that order, cursors, counts and the search for copies go on. Its type
is one that no client can send. Pure.
"""

from collections.abc import Mapping
from typing import Any

import orjson

TYPE = "forgotten"


def tombstone(message_id: str, was: str) -> str:
    """The payload that is left of an event; `was`: its type."""
    return orjson.dumps({"type": TYPE, "messageId": message_id, "was": was}).decode()


def is_tombstone(event: Mapping[str, Any] | None) -> bool:
    """Whether a payload is one."""
    return event is not None and event.get("type") == TYPE
