"""What the links of one process say of themselves in the broker: running, or done. Written together, by one thread.

Said one by one it was a third of what a link of a trickle costs. Must never keep a link that goes on waiting for the
broker, nor let an older word of a destination be written after a newer one.
"""

import asyncio
import contextlib
from collections import Counter
from functools import partial

import structlog

from destinations import doorbell
from destinations.call_thread import CallThread

log = structlog.get_logger(__name__)

GATHER_SECONDS = 0.25  # for which a running link's word may wait for others'; a mark lasts ten times as long


class Marks:
    """For links of one event loop."""

    def __init__(self) -> None:
        self._said: dict[int, bool] = {}  # not written yet
        self._serving: Counter[int] = Counter()  # links
        self._left_on: set[int] = set()  # where one that may be rung again left it to another
        self._thread = CallThread("marks")
        self._written = asyncio.Event()  # what was said so far
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self, destination_id: int) -> "Mark":
        """A link begins: have nobody ring for its destination for a while, at once."""
        self._serving[destination_id] += 1
        if self._said.get(destination_id) is False:  # somebody waits for that word
            self._left_on.add(destination_id)
        self._say(destination_id, True)
        self._hurry.set()
        return Mark(self, destination_id)

    def stop(self) -> None:
        """End the thread."""
        self._thread.stop()

    def _say(self, destination_id: int, is_running: bool) -> None:
        self._said[destination_id] = is_running
        if not is_running:
            self._left_on.discard(destination_id)
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._write())

    def _leave(self, destination_id: int) -> None:
        self._serving[destination_id] -= 1
        if not self._serving[destination_id]:
            del self._serving[destination_id]
            if destination_id in self._left_on:
                self._say(destination_id, False)
                self._hurry.set()
            elif self._said.get(destination_id):  # nothing more: what was written fades
                del self._said[destination_id]

    async def _idle(self, destination_id: int) -> None:
        if self._serving[destination_id]:
            self._left_on.add(destination_id)
            return
        self._say(destination_id, False)
        self._hurry.set()
        await self._written.wait()

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
            except Exception:  # whoever waits for the next word must not wait for ever
                log.exception("marks.failed")
            finally:
                written.set()
        self._written.set()  # for whom another link took the last word back
        self._written = asyncio.Event()


class Mark:
    """One link's. Believed for a while after its last word."""

    def __init__(self, marks: Marks, destination_id: int) -> None:
        self._marks = marks
        self._destination_id = destination_id
        self._serves = True

    def running(self) -> None:
        """Have nobody ring for a while, soon."""
        if self._serves:
            self._marks._say(self._destination_id, True)

    def leave(self) -> None:
        """The link takes up nothing more: unless another one does, nothing more is said. May be called again."""
        if self._serves:
            self._serves = False
            self._marks._leave(self._destination_id)

    async def idle(self) -> None:
        """Let the destination be rung again, unless another of its links serves here; returns once it may be.

        The caller looks for work once more afterwards.
        """
        self.leave()
        await self._marks._idle(self._destination_id)
