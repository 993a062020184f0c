"""A link's side of its claim: the token, until when it is good, its checkpoints and releases.

Owns the link's database connection, used from one thread. Must never be used again after LeaseLost: what the link
remembers is then not what the database knows.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Concatenate, ParamSpec, TypeVar

from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations import checkpoint, lanes
from destinations.call_thread import CallThread
from destinations.checkpoint import Changes
from destinations.lanes import ClaimedLane, Name, Which

P = ParamSpec("P")
T = TypeVar("T")

# Counts while the machine sleeps or is paused, unlike the monotonic clock on Linux.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock() -> float:
    """Seconds on a clock that never stops or jumps."""
    return time.clock_gettime(_CLOCK)


class LeaseLost(Exception):
    """The claim ran out or was taken away: drop everything."""


class Database:
    """One connection, one thread: statements of a link run in the order they were asked for."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._raw: Connection | None = None
        self._busy_seconds, self._busy_since = 0.0, 0.0
        self._thread = CallThread("link-database")

    async def run(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call function(connection, …) in the thread; reconnects if the connection is gone. Raises psycopg2.Error."""

        def call() -> T:
            self._busy_since = time.monotonic()
            try:
                if self._raw is None or self._raw.closed:
                    self._raw = self._connect()
                return function(self._raw, *args, **kwargs)
            finally:
                self._busy_seconds += time.monotonic() - self._busy_since
                self._busy_since = 0.0

        return await self._thread.call(call)

    @property
    def busy_seconds(self) -> float:
        """For how long, in all, a statement was under way: who shares the connection waits behind it."""
        since = self._busy_since
        return self._busy_seconds + (time.monotonic() - since if since else 0.0)

    async def close(self) -> None:
        """Close the connection: after an error its state is not to be trusted."""
        await self._thread.call(self._close)

    def stop(self) -> None:
        """End the thread and the connection with it."""
        self._thread.stop()
        self._close()

    def _close(self) -> None:
        if self._raw is not None:
            self._raw.close()
            self._raw = None


class Lease:
    """An open claim. Every method raises LeaseLost when the database says that it is no longer ours."""

    def __init__(self, database: Database, destination_id: int, token: int, seconds: float, asked_at: float) -> None:
        self._database = database
        self._destination_id = destination_id
        self._seconds = seconds
        self._seq = 0
        self.token = token
        self.deadline = asked_at + seconds  # from before the claim was asked for
        self.lanes: dict[int, ClaimedLane] = {}

    @classmethod
    async def open(
        cls, database: Database, destination_id: int, owner: str, slots: int, seconds: float
    ) -> "Lease | None":
        """Open a claim; None when `slots` links are at work already."""
        asked_at = clock()
        token = await database.run(lanes.open_claim, destination_id, owner, slots, seconds)
        return None if token is None else cls(database, destination_id, token, seconds, asked_at)

    @property
    def remaining(self) -> float:
        """Seconds a request may take that is started now: it must not outlive the lease, whatever becomes of us."""
        return self.deadline - clock()

    @property
    def is_good(self) -> bool:
        """Whether a request may be started or still be in flight."""
        return self.remaining > 0

    async def take(self, limit: int, which: Which = Which.LIVE, named: Sequence[Name] = ()) -> list[ClaimedLane]:
        """Add up to `limit` lanes, of those `named` if that is `which`."""
        if limit <= 0:
            return []
        taken = await self._database.run(lanes.take, self.token, self._destination_id, limit, which, named)
        self.lanes |= {lane.id: lane for lane in taken}
        return taken

    async def renew_if_due(self) -> None:
        """Renew when a third of the lease is gone."""
        asked_at = clock()
        if asked_at < self.deadline - self._seconds * 2 / 3:
            return
        if not await self._database.run(lanes.renew, self.token, self._seconds):
            raise LeaseLost("not renewed")
        self.deadline = asked_at + self._seconds

    async def during(self, work: Awaitable[T]) -> T:
        """Await `work` and keep the lease meanwhile; ends it when the lease is lost."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                if not self.is_good:
                    raise LeaseLost("deadline passed")
                await self.renew_if_due()
                await asyncio.wait([task], timeout=self._seconds / 10)
            return task.result()
        finally:
            task.cancel()

    def forget(self, lane_ids: Collection[int]) -> None:
        """Drop lanes that are gone from the database, with their connection."""
        for lane_id in lane_ids:
            del self.lanes[lane_id]

    async def checkpoint(self, changes: Changes) -> None:
        """Make what was done durable, with these changes."""
        self._seq += 1
        progress = checkpoint.progress_json(self.lanes.values())
        if not await self._database.run(checkpoint.write, self.token, self._seq, progress, changes):
            raise LeaseLost("checkpoint refused")

    async def recover_others(self, claims: int) -> int:
        """Free the lanes of those of so many other claims whose holders are dead or too late; how many they were.

        While this link runs nobody else is rung who would.
        """
        return await self._database.run(lanes.recover, self._destination_id) if claims > 0 else 0

    async def step_aside(self) -> None:
        """Leave the slot to another link; the lanes are still ours."""
        await self._database.run(lanes.step_aside, self.token)

    async def release(self, lane_ids: Collection[int]) -> None:
        """Give lanes back. Their changes must be in a checkpoint, and nothing of theirs in flight."""
        released = [self.lanes.pop(lane_id) for lane_id in lane_ids]
        if not await self._database.run(lanes.release, self.token, released):
            raise LeaseLost("release refused")

    async def close(self) -> None:
        """Give everything back and end the claim."""
        left, self.lanes = list(self.lanes.values()), {}
        if not await self._database.run(lanes.close_claim, self.token, self._destination_id, left):
            raise LeaseLost("release refused")
