"""Running links in this worker process: what each may do now, and whether the next one is rung.

Owns the process's event loop, HTTP client and database thread, made on first use after the fork.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg2
import structlog
import uvloop
from django.conf import settings

from destinations import control, doorbell, health, lanes, owner, reader
from destinations.control import Control
from destinations.lease import Database, Lease, LeaseLost
from destinations.link import Link
from destinations.probe import probe
from destinations.retry import RetryPolicy
from destinations.sender import PluginBroken, Sender
from destinations.settle import Settler
from destinations.shift import LINKS, Shift
from ingest import home
from ingest.models import LANES
from rudderproj import metrics, metrics_relay
from rudderproj.http import HttpClient

log = structlog.get_logger(__name__)

STATEMENT_SECONDS = 10.0
THREADS = 4 * LINKS


def utc_now() -> datetime:
    """This machine's wall clock."""
    return datetime.now(UTC)


def clock_of(seen: Control) -> Callable[[], datetime]:
    """The database's clock, as far as a reading of a moment ago tells: retries written here are due by that one."""
    ahead = seen.read_at - utc_now()
    return lambda: utc_now() + ahead


@dataclass(frozen=True, slots=True)
class Limits:
    """How links work, from the settings."""

    share: int
    concurrency: int
    budget_seconds: float
    claim_seconds: float
    timeout_seconds: float
    retry: RetryPolicy

    @classmethod
    def from_settings(cls) -> "Limits":
        """The deployment's values."""
        env = settings.ENV
        retry = RetryPolicy(
            env["RETRY_WINDOW_SECONDS"], env["RETRY_ATTEMPTS"], env["RETRY_BASE_SECONDS"], env["RETRY_MAX_SECONDS"]
        )
        return cls(
            env["FORWARD_SHARE"],
            env["FORWARD_CONCURRENCY"],
            env["FORWARD_BUDGET_SECONDS"],
            env["FORWARD_CLAIM_SECONDS"],
            env["FORWARD_TIMEOUT_SECONDS"],
            retry,
        )


class Forwarder:
    """Runs links on one event loop and one database connection."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        # A broker that is away keeps each caller for seconds: no link may wait for the others' calls.
        self._runner.get_loop().set_default_executor(ThreadPoolExecutor(THREADS, "link-calls"))
        self._database = Database(lambda: home.connect("link", STATEMENT_SECONDS))
        self._client = HttpClient(settings.ENV["EGRESS_ALLOW"])
        self._shift: Shift | None = None
        self._given_up: set[int] = set()  # claims of ours that nothing uses any more, for the database to hear of
        self.pid = os.getpid()

    def forward(self, destination_id: int) -> bool:
        """Run one link; True when it left work that the next link should find at once.

        Never raises for a lost claim or a database that is away: the sweep rings again.
        """
        return self._runner.run(self._forward(destination_id))

    def work(self, destination_id: int) -> None:
        """Run a shift that begins with this destination's link; rings the next link of each that left work."""
        self._shift = Shift(self._forward, lambda: self._database.busy_seconds)
        self._runner.run(self._shift.work(destination_id))

    def close(self) -> None:
        """Close connections and the loop."""
        self._runner.run(self._client.close())
        self._database.stop()
        self._runner.close()

    async def _forward(self, destination_id: int) -> bool:
        started, end = time.monotonic(), "dropped"
        await asyncio.to_thread(doorbell.mark_running, destination_id)
        try:
            progressed = await self._link(destination_id)
            end = "progressed" if progressed else "idle"
            if progressed is None:
                return False  # the mark stays until it fades: rings for a stopped destination would cost a link each
            await asyncio.to_thread(doorbell.mark_idle, destination_id)
            # Looked at after the mark: whatever is stored from now on rings by itself.
            return progressed and await self._database.run(reader.has_work, destination_id, unsettled=False)
        except (LeaseLost, psycopg2.Error) as error:
            log.warning("link.dropped", destination_id=destination_id, error=str(error).strip() or type(error).__name__)
            if isinstance(error, psycopg2.Error):
                metrics.DATABASE_ERRORS.add(1, "link")
                await self._database.close()
            with contextlib.suppress(psycopg2.Error):  # still away: the next link of this process tells it
                await self._give_up_claims()
            await asyncio.to_thread(doorbell.mark_idle, destination_id)
            return False
        finally:
            metrics.LINK_DURATION.add(time.monotonic() - started, end)
            metrics_relay.flush()  # the task may go on for others

    async def _give_up_claims(self) -> None:
        """Let others have the lanes of links that an error ended, without waiting for their claims to run out."""
        if tokens := list(self._given_up):
            await self._database.run(lanes.give_up, tokens)
            self._given_up.difference_update(tokens)

    async def _link(self, destination_id: int) -> bool | None:
        """Serve or probe, as the destination's state wants it: was something settled; None if nothing may be sent."""
        seen = await self._database.run(control.read, destination_id)
        if seen is None or seen.stopped_because:
            return None
        if seen.config_problem:
            log.error("config.unreadable", destination=seen.name, reason=seen.config_problem)
            await self._database.run(health.hold, destination_id, seen.config_problem)
            return None
        now = clock_of(seen)
        try:
            sender = Sender(seen, self._client, now, self._limits.timeout_seconds)
        except PluginBroken as error:
            log.exception("plugin.import_failed", destination=seen.name)
            await self._database.run(health.hold, destination_id, str(error))
            return None
        probing = seen.breaker != "closed"
        if probing and not seen.probe_due:
            return None
        await self._give_up_claims()
        await self._database.run(lanes.recover, destination_id)
        # Renewed when a third is gone, so that a request always has its whole timeout before the lease can run out.
        claim_seconds = max(self._limits.claim_seconds, sender.timeout_seconds * 1.6)
        lease = await Lease.open(
            self._database, destination_id, owner.me(), seen.slots(self._limits.share), claim_seconds
        )
        if lease is None:
            return None
        if probing and not await self._database.run(health.start_probe, destination_id):
            await lease.close()
            return None
        settler = Settler(RetryPolicy.of(seen.retry, self._limits.retry), seen.streak_so_far(), sender.mask, now)
        if probing:
            return await probe(self._database, destination_id, lease, seen, sender, settler)
        return await self._serve(destination_id, lease, seen, sender, settler)

    async def _serve(self, destination_id: int, lease: Lease, seen: Control, sender: Sender, settler: Settler) -> bool:
        limits = self._limits
        senders = seen.concurrency(limits.share, limits.concurrency)
        link = Link(self._database, destination_id, lease, seen, sender, settler, senders, self._links)
        slots = seen.slots(limits.share)
        first_lanes = -(-len(seen.connections) * LANES // slots)
        try:
            await link.serve(first_lanes, limits.budget_seconds, 2 * limits.timeout_seconds)
        except psycopg2.Error:
            if link.ended_quietly:
                self._given_up.add(lease.token)
            raise
        return link.progressed

    def _links(self) -> int:
        return max(1, self._shift.links) if self._shift else 1


_forwarder: Forwarder | None = None


def forward(destination_id: int) -> None:
    """Run a shift in this process that begins with this destination's link."""
    global _forwarder
    if _forwarder is None or _forwarder.pid != os.getpid():
        _forwarder = Forwarder(Limits.from_settings())
    _forwarder.work(destination_id)
