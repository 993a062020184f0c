"""One attempt: build the request, keep to the rate, send it, write the wide log line.

Owns the destination's plugin and its secrets' masking. Must never log a payload, and never raises for what a plugin or
a destination does.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, NamedTuple, cast

from destinations import registry
from destinations.batch_size import BatchSize
from destinations.control import Control
from destinations.outcome import Fate, Outcome, classify, describe, fate, retry_after_seconds
from destinations.plugins.base import BatchPlugin, BuildContext, BuildError, Plugin, Request
from destinations.reader import Owed
from destinations.room import BATCHES, Room
from destinations.selection import FORGOTTEN
from destinations.throttle import Throttle
from ingest.tombstone import is_tombstone
from rudderproj import metrics
from rudderproj.http import Answer, HttpClient
from rudderproj.logs import wide
from rudderproj.masking import masker

BURST_SECONDS = 0.05  # timers are late: what was missed so long ago may be made up for
BATCH_SECONDS = 0.5  # of the rate: a batch has no more than that, so that it is no burst, nor long waited for

PAUSE_SECONDS = 1.0  # after a batch that was too much, if its answer does not say how long
PAUSE_MOST_SECONDS = 10.0  # whatever it says: who asks for more says so to single events too, and opens the breaker


class PluginBroken(Exception):
    """The destination type's plugin cannot be imported: the destination is held, the worker goes on."""


class Bounds(NamedTuple):
    """How many events a link may have in flight: before anybody has learned how many, and at most.

    `requests`: of an operator, and then all of them at once.
    """

    start: int
    most: int
    requests: int | None = None


ONE = Bounds(1, 1)


class Learned(NamedTuple):
    """How much a destination takes at once, as links found out. `of`: what was configured then."""

    events: int  # in flight
    batch: int  # in one request
    of: int

    @classmethod
    def stored(cls, value: dict[str, int] | None, of: int) -> "Learned | None":
        """From its fields; None if there is nothing, or of another configuration."""
        return cls(value["events"], value["batch"], of) if value and value["of"] == of else None


class Sender:
    """Sends events of one link to its destination."""

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
        most_batch = _most_batch(self._plugin, seen)
        learned = Learned.stored(seen.learned, most_batch)
        self._bounds = bounds
        self._batch = BatchSize(most_batch, learned.batch if learned else None)
        self.takes_batches = most_batch > 1  # whether a request may carry several events, as it is configured
        start, most = bounds.start, bounds.most
        if bounds.requests and not self.takes_batches:
            start = most = bounds.requests
        self._throttle = Throttle(learned.events if learned else start, most)
        self._room = Room(lambda: self._throttle.limit, bounds.requests)
        self.mask = masker(registry.schema(seen.type).secrets(seen.config))
        self._interval = self._next_at = 0.0
        self._pace = asyncio.Lock()
        self.keep_rate(seen.rate_limit, seen.claims + 1)

    @property
    def names(self) -> frozenset[str]:
        """What an event's `integrations` may call this destination, in lower case."""
        return registry.names(self._control.name, self._control.type)

    @property
    def batch_events(self) -> int:
        """How many events a request may carry now."""
        size = self._batch.size
        return min(size, max(1, int(BATCH_SECONDS / self._interval))) if self._interval else size

    @property
    def requests(self) -> int:
        """How many requests for several events may be in flight now."""
        return max(BATCHES, self._throttle.limit // self.batch_events)

    @property
    def singles(self) -> int:
        """How many requests for a single event may be in flight now: few, unless that is all there is."""
        limit = self._throttle.limit
        return min(limit, self._bounds.start) if self.batch_events > 1 else limit

    def slot(self, events: int) -> AbstractAsyncContextManager[None]:
        """Where a request for so many is in flight; where each is for one, there are no more senders than room."""
        return self._room.place(events) if self.takes_batches else contextlib.nullcontext()

    @property
    def learned(self) -> Learned:
        """For the next link to begin with."""
        return Learned(self._throttle.limit, self._batch.size, self._batch.most)

    def keep_rate(self, rate_limit: int | None, links: int) -> None:
        """Send this link's part of `rate_limit` events a second, shared by so many links."""
        self._interval = max(1, links) / rate_limit if rate_limit else 0.0

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
            self._batch.refused(len(events))
            if isinstance(error, BuildError):
                raise
            raise BuildError(self._told_of(error)) from error

    def _told_of(self, error: Exception) -> str:
        return f"the {self._control.type} plugin failed: {type(error).__name__}"

    async def turn(self, stopping: asyncio.Event, events: int = 1) -> bool:
        """Wait until the rate allows so many events more; False when `stopping` came first."""
        if self._interval or self._next_at:
            async with self._pace:
                await self.rest(stopping)
                if not stopping.is_set():
                    now = asyncio.get_running_loop().time()
                    self._next_at = max(self._next_at, now - BURST_SECONDS) + self._interval * events
        return not stopping.is_set()

    async def rest(self, stopping: asyncio.Event) -> None:
        """Wait until the next request would be allowed, or `stopping` comes."""
        loop = asyncio.get_running_loop()
        while (wait := self._next_at - loop.time()) > 0 and not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await stopping.wait()

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
        together = events > 1
        begun = self._throttle.begin(self.requests if together else self.singles, events)
        try:
            answer = await self._client.send(
                self._control.id, request.method, request.url, request.headers, request.body, timeout, usual
            )
        finally:
            self._throttle.end(events)
        self._throttle.note(begun, answer, events)
        outcome = classify(answer)
        if outcome is Outcome.DELIVERED:
            self._batch.taken(events)
        elif events > 1:
            self._not_taken(answer, events)
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
        return answer

    def _not_taken(self, answer: Answer, events: int) -> None:
        """A request for several was not. Fewer go together unless it was for the moment: 429, and any 503.

        Each of those events by itself would be more requests for one that wants fewer.
        """
        if fate(answer) is Fate.TOO_MUCH:
            asked = retry_after_seconds(answer, self._clock())
            pause = PAUSE_SECONDS if asked is None else min(asked, PAUSE_MOST_SECONDS)
            self._next_at = max(self._next_at, asyncio.get_running_loop().time() + pause)
        elif answer.status != 503:
            self._batch.refused(events)


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
