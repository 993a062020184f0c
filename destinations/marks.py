"""What the links of one process say of themselves in the broker: running, or done. Written together, by one thread.

Said one by one it was a third of what a link of a trickle costs. Must never keep a link that goes on waiting for the
broker, nor let an older word of a destination be written after a newer one.
"""

import asyncio
import contextlib
from collections import Counter
from functools import partial

from destinations import doorbell
from destinations.call_thread import CallThread

GATHER_SECONDS = 0.5  # for which a running link's word may wait for others'; a mark lasts five times as long


class Marks:
    """For links of one event loop. A link that stops saying that it runs is not believed for long."""

    def __init__(self) -> None:
        self._said: dict[int, bool] = {}  # not written yet
        self._links: Counter[int] = Counter()  # that run
        self._thread = CallThread("marks")
        self._written = asyncio.Event()  # what was said so far
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begun(self, destination_id: int) -> None:
        """A link of it began: have nobody ring for it for a while, at once."""
        self._links[destination_id] += 1
        self._say(destination_id, True)
        self._hurry.set()

    def running(self, destination_id: int) -> None:
        """The same, soon."""
        self._say(destination_id, True)

    async def idle(self, destination_id: int) -> None:
        """Let it be rung again, if no other link of it runs here; returns once it may be.

        The caller looks for work once more afterwards.
        """
        if self._links[destination_id] > 1:
            return
        self._say(destination_id, False)
        self._hurry.set()
        await self._written.wait()

    def ended(self, destination_id: int) -> None:
        """A link of it is over: without another nothing more is said, and its mark fades."""
        self._links[destination_id] -= 1
        if not self._links[destination_id]:
            del self._links[destination_id]
            self._said.pop(destination_id, None)

    def stop(self) -> None:
        """End the thread."""
        self._thread.stop()

    def _say(self, destination_id: int, is_running: bool) -> None:
        self._said[destination_id] = is_running
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._write())

    async def _write(self) -> None:
        """Until there is nothing to say."""
        while self._said:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GATHER_SECONDS):
                    await self._hurry.wait()
            self._hurry.clear()
            said, self._said = self._said, {}
            written, self._written = self._written, asyncio.Event()
            try:
                await self._thread.call(partial(doorbell.mark, said))
            finally:
                written.set()
