"""When the next request may begin: a link keeps to its part of a destination's rate, and to pauses it was asked for.

Must never let the next link forget what the last one sent: it rests before it ends.
"""

import asyncio
import contextlib

BURST_SECONDS = 0.05  # timers are late: what was missed so long ago may be made up for
TOGETHER_SECONDS = 0.5  # of the rate: no more events go together, so that a batch is no burst, nor long waited for


class Turns:
    """One link's. `links` share `rate_limit` events a second; None: as fast as it goes."""

    def __init__(self, rate_limit: int | None, links: int) -> None:
        self._next_at = 0.0  # by the event loop's clock
        self._free = asyncio.Lock()
        self.keep_rate(rate_limit, links)

    def keep_rate(self, rate_limit: int | None, links: int) -> None:
        """Send this link's part of `rate_limit` events a second, shared by so many links."""
        self._interval = max(1, links) / rate_limit if rate_limit else 0.0

    def together(self, events: int) -> int:
        """How many of so many may have their turn in one request."""
        return min(events, max(1, int(TOGETHER_SECONDS / self._interval))) if self._interval else events

    def pause(self, seconds: float) -> None:
        """Nobody has a turn for so long."""
        self._next_at = max(self._next_at, asyncio.get_running_loop().time() + seconds)

    async def take(self, stopping: asyncio.Event, events: int = 1) -> bool:
        """Wait until the rate allows so many events more; False when `stopping` came first."""
        if self._interval or self._next_at:
            async with self._free:
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
