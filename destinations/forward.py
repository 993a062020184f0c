"""Running links in this worker process: what each may do now, and whether the next one is rung.

Owns the process's event loop, HTTP client and database thread, made on first use after the fork.
"""

import asyncio
import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import structlog
import uvloop
from django.conf import settings

from destinations import control, doorbell, health, lanes, owner, reader, stopping
from destinations.control import Control
from destinations.lease import Database, Lease, LeaseLost
from destinations.limits import Limits
from destinations.link import Link
from destinations.marks import Mark, Marks
from destinations.news import News
from destinations.outlook import Outlook
from destinations.probe import probe
from destinations.sender import PluginBroken, Sender
from destinations.settle import Settler
from destinations.shift import LINKS, Shift
from destinations.suspects import looking
from destinations.suspects.hands import Hands
from destinations.suspects.session import Session
from destinations.untold import Untold
from ingest import home
from ingest.models import LANES
from rudderproj import flight, metrics, metrics_relay
from rudderproj.http import HttpClient

log = structlog.get_logger(__name__)

STATEMENT_SECONDS = 10.0
AWAY_SECONDS = 0.2
THREADS = 4 * LINKS


class Forwarder:
    """Runs links on one event loop and one database connection."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        # A broker that is away keeps each caller for seconds: no link may wait for the others' calls.
        self._runner.get_loop().set_default_executor(ThreadPoolExecutor(THREADS, "link-calls"))
        self._database = Database(lambda: home.connect("link", STATEMENT_SECONDS))
        self._client = HttpClient(settings.ENV["EGRESS_ALLOW"])
        self._marks = Marks()
        self._shift: Shift | None = None
        self._news: News | None = None  # for shifts
        self._untold = Untold(self._database)
        self.pid = os.getpid()

    def forward(self, destination_id: int) -> bool:
        """Run one link; True when it left work that the next link should find at once.

        Never raises for a lost claim or a database that is away: the sweep rings again.
        """
        return self._runner.run(self._forward(destination_id))

    def work(self, destination_id: int) -> None:
        """Run a shift that begins with this destination's link; rings the next link of each that left work."""
        self._news = self._news or News(self._runner.get_loop())
        self._runner.run(self._work(destination_id))

    def close(self) -> None:
        """Close connections and the loop."""
        if self._news:
            self._news.close()
        self._runner.run(self._client.close())
        self._marks.stop()
        self._database.stop()
        self._runner.close()

    async def _work(self, destination_id: int) -> None:
        """First what must be alone in a process: suspects."""
        examined = await Session(self._database, self._client, self._limits, self._untold).run()
        if examined:
            await asyncio.to_thread(doorbell.ring_quietly, examined)
        self._shift = Shift(self._forward, lambda: self._database.busy_seconds, self._is_wanted_alone)
        await self._shift.work(destination_id)
        await self._let_go()

    async def _let_go(self) -> None:
        """Wait for a database that is away: nobody else has what our links had before it is told, or it runs out."""
        ends_at = time.monotonic() + self._limits.claim_seconds
        while self._untold and time.monotonic() < ends_at and not stopping.told():
            with contextlib.suppress(psycopg2.Error):
                await self._untold.tell()
                return
            await asyncio.sleep(AWAY_SECONDS)

    async def _is_wanted_alone(self) -> bool:
        try:
            return await self._database.run(looking.is_one_free)
        except psycopg2.Error:
            return True  # the links tell it

    async def _forward(self, destination_id: int) -> bool:
        started, end = time.monotonic(), "dropped"
        mark = self._marks.begin(destination_id)
        try:
            progressed = await self._link(destination_id, mark)
            end = "progressed" if progressed else "idle"
            if progressed is None:
                return False  # the mark stays until it fades: rings for a stopped destination would cost a link each
            await mark.idle()
            # Looked at after the mark: whatever is stored from now on rings by itself. For what came just before, to a
            # link that had found nothing, the sweep rings: if it looked too, such links would chase each other.
            return progressed and await self._database.run(reader.has_work, destination_id, unsettled=False)
        except (LeaseLost, psycopg2.Error) as error:
            log.warning("link.dropped", destination_id=destination_id, error=str(error).strip() or type(error).__name__)
            if isinstance(error, psycopg2.Error):
                metrics.DATABASE_ERRORS.add(1, "link")
                await self._database.close()
            with contextlib.suppress(psycopg2.Error):  # still away: told by the next link, or when the shift is over
                await self._untold.tell()
            await mark.idle()
            return False
        finally:
            mark.leave()
            metrics.LINK_DURATION.add(time.monotonic() - started, end)
            metrics_relay.flush()  # the task may go on for others

    async def _link(self, destination_id: int, mark: Mark) -> bool | None:
        """Serve or probe, as the destination's state wants it: was something settled; None if nothing may be sent."""
        seen, sender = await self._begin(destination_id)
        if seen is None or sender is None:
            return None
        probing = seen.breaker != "closed"
        if probing and not seen.probe_due:
            return None
        await self._untold.tell()
        if seen.claims:
            await self._database.run(lanes.recover, destination_id)
        slots, seconds = seen.slots(self._limits.share), self._limits.claim_for(sender)
        lease = await Lease.open(self._database, destination_id, owner.me(), slots, seconds)
        if lease is None:  # the ring was for lanes that others have, and was told to nobody else
            await asyncio.to_thread(doorbell.tell_quietly, [destination_id])
            return None
        settler = self._limits.settler(seen, sender)
        if probing:
            return await self._probe(destination_id, lease, seen, sender, settler)
        progressed = await self._serve(destination_id, lease, seen, sender, settler, mark)
        if seen.claims and not progressed:  # as above
            await asyncio.to_thread(doorbell.tell_quietly, [destination_id])
        return progressed

    async def _begin(self, destination_id: int) -> tuple[Control | None, Sender | None]:
        """The destination and what sends to it, None if nothing may be sent. Its code runs here first: noted before."""
        hands = flight.mine()
        slot = hands.take_link(destination_id)
        try:
            seen = await self._database.run(control.read, destination_id)
            if seen is None or seen.stopped_because:
                return seen, None
            if seen.config_problem:
                log.error("config.unreadable", destination=seen.name, reason=seen.config_problem)
                await self._database.run(health.hold, destination_id, seen.config_problem)
                return seen, None
            return seen, self._limits.sender(seen, self._client)
        except PluginBroken as error:
            log.exception("plugin.import_failed", destination=seen and seen.name)
            await self._database.run(health.hold, destination_id, str(error))
            return seen, None
        finally:
            hands.give(slot)

    async def _probe(
        self, destination_id: int, lease: Lease, seen: Control, sender: Sender, settler: Settler
    ) -> bool | None:
        begun = await self._database.run(health.start_probe, destination_id)
        if begun is None:
            await lease.close()
            return None
        hands = Hands(flight.mine(), destination_id)
        try:
            return await probe(self._database, begun, lease, seen, sender, settler, hands)
        except (LeaseLost, psycopg2.Error):
            self._untold.probe(begun)
            raise

    async def _serve(
        self, destination_id: int, lease: Lease, seen: Control, sender: Sender, settler: Settler, mark: Mark
    ) -> bool:
        limits, hands = self._limits, Hands(flight.mine(), destination_id)
        outlook = Outlook(self._links, LINKS, self._is_told, self._nobody_waits)
        link = Link(self._database, destination_id, lease, seen, sender, settler, hands, mark, outlook)
        slots = seen.slots(limits.share)
        first_lanes = -(-len(seen.connections) * LANES // slots)
        try:
            with self._news.waking(destination_id, link.hear) if self._news else contextlib.nullcontext():
                await link.serve(first_lanes, limits.budget_seconds, 2 * limits.timeout_seconds)
        except psycopg2.Error:
            if link.ended_quietly:
                self._untold.claim(lease.token)
            raise
        return link.progressed

    def _is_told(self) -> bool:
        return self._news is not None and self._news.is_heard

    def _nobody_waits(self) -> bool:
        return self._shift is not None and self._shift.nobody_waits

    def _links(self) -> int:
        return max(1, self._shift.links) if self._shift else 1


_forwarder: Forwarder | None = None


def forward(destination_id: int) -> None:
    """Run a shift in this process that begins with this destination's link."""
    global _forwarder
    if _forwarder is None or _forwarder.pid != os.getpid():
        _forwarder = Forwarder(Limits.from_settings())
    _forwarder.work(destination_id)
