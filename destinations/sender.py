"""One attempt: build the request, send it, write the wide log line.

Owns the destination's plugin and its secrets' masking. Must never log a payload, and never raises for what a plugin or
a destination does.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, cast

from destinations import registry
from destinations.allowance import ONE, Allowance, Bounds
from destinations.control import Control
from destinations.outcome import BatchFate, Outcome, batch_fate, classify, describe, retry_after_seconds
from destinations.plugins.base import BatchPlugin, BuildContext, BuildError, Plugin, Request
from destinations.reader import Owed
from destinations.selection import FORGOTTEN
from destinations.turns import Turns
from ingest.tombstone import is_tombstone
from rudderproj import metrics
from rudderproj.http import Answer, HttpClient
from rudderproj.logs import wide
from rudderproj.masking import masker

PAUSE_SECONDS = 1.0  # after a batch that was too much, if its answer does not say how long
PAUSE_MOST_SECONDS = 10.0  # whatever it says: who asks for more says so to single events too, and opens the breaker


class PluginBroken(Exception):
    """The destination type's plugin cannot be imported: the destination is held, the worker goes on."""


class Sender:
    """Sends events of one link to its destination, in its `turns`, as its `allowance` says."""

    def __init__(
        self,
        seen: Control,
        client: HttpClient,
        clock: Callable[[], datetime],
        timeout_seconds: float,
        bounds: Bounds = ONE,
    ) -> None:
        self._control = seen
        self._client = client
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._plugin = _plugin(seen.type)
        self.turns = Turns(seen.rate_limit, seen.claims + 1)
        self.allowance = Allowance(bounds, _most_batch(self._plugin, seen), seen.learned, self.turns)
        self.mask = masker(registry.schema(seen.type).secrets(seen.config))

    @property
    def names(self) -> frozenset[str]:
        """What an event's `integrations` may call this destination, in lower case."""
        return registry.names(self._control.name, self._control.type)

    def build(self, owed: Owed) -> Request:
        """The request for an event. Raises BuildError with the reason when there can be none."""
        payload, event = _content(owed)
        return self.request_for(payload, event, owed.message_id, owed.attempts + 1)

    def request_for(self, payload: str, event: dict[str, Any], message_id: str, attempt: int) -> Request:
        """The request for an event, as text and parsed. Raises BuildError with the reason when there can be none."""
        context = BuildContext(self._clock(), message_id, attempt)
        try:
            return self._plugin.build(payload, event, self._control.config, context)
        except BuildError:
            raise
        except Exception as error:
            raise BuildError(self._told_of(error)) from error

    def may_go_together(self, owed: Owed) -> bool:
        """Whether there is a payload; if not, what is told of it is the event's own."""
        return owed.event is not None and not is_tombstone(owed.event)

    def build_together(self, events: Sequence[Owed]) -> Request:
        """One request for several events. Raises BuildError; then each is to be built by itself."""
        payloads = [_content(owed)[0] for owed in events]
        ids = "\n".join(owed.message_id for owed in events)
        name = f"batch-{hashlib.sha256(ids.encode(errors='surrogatepass')).hexdigest()[:32]}"
        try:
            plugin = cast(BatchPlugin, self._plugin)
            return plugin.build_batch(payloads, self._control.config, BuildContext(self._clock(), name, 1))
        except Exception as error:
            self.allowance.refused(len(events))
            if isinstance(error, BuildError):
                raise
            raise BuildError(self._told_of(error)) from error

    def _told_of(self, error: Exception) -> str:
        return f"the {self._control.type} plugin failed: {type(error).__name__}"

    @property
    def timeout_seconds(self) -> float:
        """The longest a request of this destination may take."""
        return max(self._timeout_seconds, float(self._control.config.get("timeout_seconds") or 0))

    async def send(self, owed: Owed, request: Request, most_seconds: float, events: int = 1) -> Answer:
        """Send it now; it takes `most_seconds` at most, cancelled or not: cancelling does not take a request back.

        For so many events, of which `owed` is the first.
        """
        usual = request.timeout_seconds or self._timeout_seconds
        timeout = min(usual, most_seconds)
        begun = self.allowance.begin(events)
        try:
            answer = await self._client.send(
                self._control.id, request.method, request.url, request.headers, request.body, timeout, usual
            )
        finally:
            self.allowance.end(events)
        self.allowance.note(begun, answer, events)
        if events > 1 and batch_fate(answer) is BatchFate.TOO_MUCH:
            asked = retry_after_seconds(answer, self._clock())
            self.turns.pause(PAUSE_SECONDS if asked is None else min(asked, PAUSE_MOST_SECONDS))
        self._tell(owed, answer, events)
        return answer

    def _tell(self, owed: Owed, answer: Answer, events: int) -> None:
        outcome = classify(answer)
        if events > 1 and outcome is not Outcome.DELIVERED:
            outcome = Outcome.RETRY  # of no event: they are sent again
        metrics.ATTEMPTS.add(1, self._control.name, outcome)
        metrics.ATTEMPT_SECONDS.add(answer.seconds, outcome)
        wide(
            "delivery.attempted",
            destination=self._control.name,
            connection_id=owed.lane.connection_id,
            message_id=owed.message_id,
            attempt=owed.attempts + 1,
            events=events,
            outcome=outcome,
            answer=self.mask(describe(answer)),
            duration_ms=round(answer.seconds * 1000, 1),
        )


def _content(owed: Owed) -> tuple[str, dict[str, Any]]:
    """Its payload, as text and parsed. Raises BuildError if there is nothing to be sent."""
    if owed.payload is None or owed.event is None:
        raise BuildError("the log no longer has the payload")
    if is_tombstone(owed.event):
        raise BuildError(FORGOTTEN)
    return owed.payload, owed.event


def _most_batch(plugin: Plugin, seen: Control) -> int:
    """How many events a request may carry, as it is configured; 1 for none but the first. Raises PluginBroken."""
    if not isinstance(plugin, BatchPlugin):
        return 1
    try:
        return int(plugin.batch_events(seen.config))
    except Exception as error:
        raise PluginBroken(f"the {seen.type} plugin failed: {type(error).__name__}: {error}") from error


def _plugin(name: str) -> Plugin:
    try:
        return registry.plugin(name)
    except Exception as error:
        raise PluginBroken(f"{name} plugin cannot be imported: {type(error).__name__}: {error}") from error
