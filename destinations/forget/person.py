"""Which events are a person's, by the ids in them. Pure.

An event is theirs when it names their id (as userId, anonymousId or previousId), or when it names nobody and comes from
a device that was seen with their userId. What another user did on a shared device is that user's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson
from django.utils.crypto import salted_hmac

_SALT = "rudderproj.forget"


def pseudonym(text: str) -> str:
    """What stands in place of an id: the same for the same id, and nothing to be traced back without SECRET_KEY."""
    return f"forgotten:{salted_hmac(_SALT, text, algorithm='sha256').hexdigest()[:32]}"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody by their id, and the anonymous ids that are known to be theirs."""

    id: str
    devices: frozenset[str] = frozenset()

    @property
    def keys(self) -> list[str]:
        """The user keys that their events may have."""
        return sorted({self.id, *self.devices})

    @property
    def needle(self) -> str:
        """How their id stands in a payload of the log, which orjson wrote."""
        return orjson.dumps(self.id).decode()

    def with_devices_of(self, event: Mapping[str, Any]) -> "Person":
        """Learn from an event that carries their userId which anonymous ids are theirs."""
        if text_of(event, "userId") != self.id:
            return self
        seen = {text_of(event, "anonymousId"), text_of(event, "previousId")} - {"", self.id}
        return self if seen <= self.devices else replace(self, devices=self.devices | seen)

    def is_named_in(self, event: Mapping[str, Any]) -> bool:
        """Whether the event carries their id."""
        return self.id in {text_of(event, name) for name in ("userId", "anonymousId", "previousId")}

    def owns(self, event: Mapping[str, Any]) -> bool:
        """Whether the event is theirs."""
        anonymous = not text_of(event, "userId") and text_of(event, "anonymousId") in self.devices
        return anonymous or self.is_named_in(event)


def text_of(event: Mapping[str, Any], name: str) -> str:
    """An id as text, as ingest would have taken it; empty for none."""
    value = event.get(name)
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


def parsed(text: str | None) -> Mapping[str, Any] | None:
    """The event in a payload; None for anything else."""
    try:
        found = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
