"""What a destination type's plugin is: a pure builder of requests.

A plugin may use the event, the configuration and the context it is given. It must never use the ORM, the clock or the
network: that is what makes it testable with nothing but data, and safe to call again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable


class BuildError(Exception):
    """The event cannot be made into a request and never will be; the message is the reason it is aborted with."""


@dataclass(frozen=True, slots=True)
class BuildContext:
    """What a request may depend on besides the event and the configuration."""

    now: datetime  # aware; of this attempt
    message_id: str  # the same for every attempt
    attempt: int  # 1 for the first


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, ready to send. `timeout_seconds` None: the deployment's default."""

    method: str
    url: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    timeout_seconds: float | None = None


class Plugin(Protocol):
    """A module with this function; see destinations/plugins/webhook/plugin.py."""

    def build(self, event_json: str, event: dict[str, Any], config: dict[str, Any], context: BuildContext) -> Request:
        """The request for one event. `event_json` is the event as stored, `event` the same parsed.

        Raises BuildError for an event that cannot be sent to this destination.
        """
        ...


@runtime_checkable
class BatchPlugin(Plugin, Protocol):
    """A plugin of a destination that can take several events in one request, all of them or none."""

    def batch_events(self, config: dict[str, Any]) -> int:
        """How many events one request may carry, as it is configured; 1 for none but the first."""
        ...

    def build_batch(self, events: Sequence[str], config: dict[str, Any], context: BuildContext) -> Request:
        """The request for these events, as stored, in this order. `context.message_id` is the batch's: the same events
        have the same. An answer other than 2xx has each event sent by itself.
        """
        ...
