"""A process's shift: the link it was rung for, and others that it runs beside it while they mostly wait for answers.

A link that waits for a destination needs no processor, so a process with time to spare takes further rings from the
queue; without that, as many hanging destinations as there are processes would keep all others waiting. Must never take
a ring while its links keep the processor or the connection busy: another process, or one more, serves it sooner. Nor
while a suspect waits for a process with nothing else in flight.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from django.db import connections

from destinations import doorbell, stopping
from rudderproj import logs
from rudderproj.celery import app

log = structlog.get_logger(__name__)

LINKS = 16  # at once in one process
ALONE_SECONDS = 0.3  # the first link's: whoever is rung meanwhile belongs to other processes, which share its work
LOOK_SECONDS = 0.05  # between two looks into the queue
LOOK_MOST_SECONDS = 0.2  # after several in vain
VAIN_SECONDS = 1.0  # for which a look in vain says that nobody waits
BUSY_SHARE = 0.5  # of the time between two looks: a process that computed or queried for longer has none to spare
RINGS = 4  # taken at one look at most


class Shift:
    """Runs links side by side on one event loop until none is left."""

    def __init__(
        self,
        link: Callable[[int], Awaitable[bool]],
        database_seconds: Callable[[], float],
        should_end: Callable[[], Awaitable[bool]],
    ) -> None:
        self._link = link
        self._should_end = should_end
        self._database_seconds = database_seconds
        self._running: set[asyncio.Task[None]] = set()
        self._began_at = self._looked_at = time.monotonic()
        self._look_seconds = LOOK_SECONDS
        self._vain_at = 0.0  # the last look that found nothing
        self._computed, self._queried = time.process_time(), database_seconds()

    @property
    def links(self) -> int:
        """How many run now."""
        return len(self._running)

    @property
    def nobody_waits(self) -> bool:
        """Whether this process found nothing to take just now. One without time to look does not know."""
        return time.monotonic() < self._vain_at + VAIN_SECONDS

    async def work(self, destination_id: int) -> None:
        """Run this destination's link, and others until the last of them ends. A link that fails stops no other."""
        self._start(self._serve(doorbell.Message(doorbell.LINK, [destination_id])))
        with logs.gathering() as write_lines:
            try:
                while self._running:
                    await asyncio.wait(self._running, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                    self._running = {task for task in self._running if not task.done()}
                    write_lines()
                    if self._running and self._has_time() and not await self._should_end():
                        await self._take()
            finally:
                for task in self._running:
                    task.cancel()
                await asyncio.gather(*self._running, return_exceptions=True)

    def _start(self, work: Awaitable[None]) -> None:
        self._running.add(asyncio.ensure_future(work))

    def _has_time(self) -> bool:
        """Whether a look is due, and since the last one processor and database connection were mostly idle."""
        now = time.monotonic()
        waited = now - self._looked_at
        if waited < self._look_seconds:
            return False
        computed, queried = time.process_time(), self._database_seconds()
        share = max(computed - self._computed, queried - self._queried) / waited
        self._looked_at, self._computed, self._queried = now, computed, queried
        return share < BUSY_SHARE and now > self._began_at + ALONE_SECONDS and not stopping.told()

    async def _take(self) -> None:
        for _ in range(RINGS):
            if self.links >= LINKS:
                return
            try:
                message = await asyncio.to_thread(doorbell.take)
            except doorbell.BROKER_AWAY as error:
                log.warning("shift.take_failed", error=str(error))
                return
            except Exception:  # gone from the queue, whatever it was
                log.exception("shift.message_unreadable")
                continue
            if message is None:
                self._vain_at = time.monotonic()
                self._look_seconds = min(2 * self._look_seconds, LOOK_MOST_SECONDS)
                return
            self._look_seconds = LOOK_SECONDS
            self._start(self._serve(message))

    async def _serve(self, message: doorbell.Message) -> None:
        try:
            if message.task == doorbell.LINK:
                await self._chain(*message.args)
            else:
                await asyncio.to_thread(_run, message)
        except Exception:
            log.exception("shift.task_failed", task=message.task)

    async def _chain(self, destination_id: int) -> None:
        if await self._link(destination_id):
            await asyncio.to_thread(doorbell.call, destination_id)


def _run(message: doorbell.Message) -> None:
    """Another task, as Celery would run it: in this thread, and without leaving its database connections behind."""
    try:
        app.tasks[message.task](*message.args)
    finally:
        connections.close_all()
