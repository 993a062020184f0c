"""What is said to a channel about an incident, and what came of it: values that the providers' modules share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from alerts.incidents import words

TRIGGER, RESOLVE = "trigger", "resolve"


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to say. `key` names the incident at the provider: the same in its trigger and its resolve."""

    action: str  # TRIGGER or RESOLVE
    key: str
    kind: str
    severity: str
    summary: str
    source: str  # the deployment
    opened_at: datetime
    link: str = ""  # to the incident in the admin
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return self.action == RESOLVE

    @property
    def opened(self) -> str:
        """When it opened, in ISO 8601."""
        return self.opened_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def text(self) -> str:
        """All of it as lines for people."""
        lines = [f"{words.label(name)}: {value}" for name, value in words.in_order(self.details)]
        return "\n".join([self.summary, *lines, *([f"Incident: {self.link}"] if self.link else [])])


class Request(NamedTuple):
    """An HTTP POST of JSON. `is_trusted`: the address is the environment's word, and may be in a private network."""

    url: str
    body: bytes
    is_trusted: bool


class Sent(NamedTuple):
    """What came of it. `is_final`: what was wrong will not pass by itself, such as a key that does not exist."""

    accepted: bool
    answer: str  # one line for people, secrets masked
    is_final: bool = False
    retry_after: float | None = None
    beside: str = ""  # it was accepted, but not by every address of the channel: who did not, and why
