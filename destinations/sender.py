"""One attempt: build the request, keep to the rate, send it, write the wide log line.

Owns the destination's plugin and its secrets' masking. Must never log a payload, and never raises for what a plugin or
a destination does.
"""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from destinations import registry
from destinations.control import Control
from destinations.outcome import classify, describe
from destinations.plugins.base import BuildContext, BuildError, Plugin, Request
from destinations.reader import Owed
from destinations.selection import FORGOTTEN
from ingest.tombstone import is_tombstone
from rudderproj import metrics
from rudderproj.http import Answer, HttpClient
from rudderproj.logs import wide
from rudderproj.masking import masker

BURST_SECONDS = 0.05  # timers are late: what was missed so long ago may be made up for


class PluginBroken(Exception):
    """The destination type's plugin cannot be imported: the destination is held, the worker goes on."""


class Sender:
    """Sends events of one link to its destination."""

    def __init__(
        self, seen: Control, client: HttpClient, clock: Callable[[], datetime], timeout_seconds: float
    ) -> None:
        self._control = seen
        self._client = client
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._plugin = _plugin(seen.type)
        self.mask = masker(registry.schema(seen.type).secrets(seen.config))
        self._interval = self._next_at = 0.0
        self._pace = asyncio.Lock()
        self.keep_rate(seen.rate_limit, seen.claims + 1)

    @property
    def names(self) -> frozenset[str]:
        """What an event's `integrations` may call this destination, in lower case."""
        return registry.names(self._control.name, self._control.type)

    def keep_rate(self, rate_limit: int | None, links: int) -> None:
        """Send this link's part of `rate_limit` events a second, shared by so many links."""
        self._interval = max(1, links) / rate_limit if rate_limit else 0.0

    def build(self, owed: Owed) -> Request:
        """The request for an event. Raises BuildError with the reason when there can be none."""
        if owed.payload is None or owed.event is None:
            raise BuildError("the log no longer has the payload")
        if is_tombstone(owed.event):
            raise BuildError(FORGOTTEN)
        return self.request_for(owed.payload, owed.event, owed.message_id, owed.attempts + 1)

    def request_for(self, payload: str, event: dict[str, Any], message_id: str, attempt: int) -> Request:
        """The request for an event, as text and parsed. Raises BuildError with the reason when there can be none."""
        context = BuildContext(self._clock(), message_id, attempt)
        try:
            return self._plugin.build(payload, event, self._control.config, context)
        except BuildError:
            raise
        except Exception as error:
            raise BuildError(f"the {self._control.type} plugin failed: {type(error).__name__}") from error

    async def turn(self, stopping: asyncio.Event) -> bool:
        """Wait until the rate allows another request; False when `stopping` came first."""
        if self._interval:
            async with self._pace:
                await self.rest(stopping)
                if not stopping.is_set():
                    now = asyncio.get_running_loop().time()
                    self._next_at = max(self._next_at, now - BURST_SECONDS) + self._interval
        return not stopping.is_set()

    async def rest(self, stopping: asyncio.Event) -> None:
        """Wait until the next request would be allowed, or `stopping` comes."""
        wait = self._next_at - asyncio.get_running_loop().time()
        if wait > 0 and not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await stopping.wait()

    @property
    def timeout_seconds(self) -> float:
        """The longest a request of this destination may take."""
        return max(self._timeout_seconds, float(self._control.config.get("timeout_seconds") or 0))

    async def send(self, owed: Owed, request: Request, most_seconds: float) -> Answer:
        """Send it now; it takes `most_seconds` at most, cancelled or not: cancelling does not take a request back."""
        usual = request.timeout_seconds or self._timeout_seconds
        timeout = min(usual, most_seconds)
        answer = await self._client.send(request.method, request.url, request.headers, request.body, timeout, usual)
        outcome = classify(answer)
        metrics.ATTEMPTS.add(1, self._control.name, outcome)
        metrics.ATTEMPT_SECONDS.add(answer.seconds, outcome)
        wide(
            "delivery.attempted",
            destination=self._control.name,
            connection_id=owed.lane.connection_id,
            message_id=owed.message_id,
            attempt=owed.attempts + 1,
            outcome=outcome,
            answer=self.mask(describe(answer)),
            duration_ms=round(answer.seconds * 1000, 1),
        )
        return answer


def _plugin(name: str) -> Plugin:
    try:
        return registry.plugin(name)
    except Exception as error:
        raise PluginBroken(f"{name} plugin cannot be imported: {type(error).__name__}: {error}") from error
