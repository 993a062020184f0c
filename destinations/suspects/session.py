"""A process looks into suspects, one after the other, before it takes on anything else.

Owns which suspect is next, and what is told of it. Must never run while anything else is in flight in this process: a
death in a session names the one event that it held.
"""

import asyncio
import contextlib
import random

import psycopg2
import structlog
from django.db import DatabaseError

from destinations import control, health, lanes, owner, stopping
from destinations.breaker import Verdict
from destinations.control import Control
from destinations.health import Probe
from destinations.lanes import Suspect
from destinations.lease import Database, Lease, LeaseLost, clock
from destinations.limits import Limits
from destinations.sender import PluginBroken, Sender
from destinations.settle import Settler
from destinations.suspects import looking, telling, verdict
from destinations.suspects.examination import Examination
from destinations.suspects.hands import Hands
from destinations.untold import Untold
from rudderproj import flight
from rudderproj.http import HttpClient

log = structlog.get_logger(__name__)


class Session:
    """One process's look at all suspects, as long as a link would work."""

    def __init__(self, database: Database, client: HttpClient, limits: Limits, untold: Untold) -> None:
        self._database = database
        self._untold = untold
        self._client = client
        self._limits = limits
        self._ends_at = clock() + limits.budget_seconds
        self._tried = list[int]()  # suspects
        self._probe: Probe | None = None  # under way

    async def run(self) -> list[int]:
        """Look into what is free to be looked into; the destinations whose lanes others may go on with.

        Never raises for a lost claim or a database that is away: another process tries again.
        """
        seen = list[int]()
        try:
            found = await self._database.run(looking.destinations)
            if found and (turn := await self._database.run(looking.take_turn)) is not False:
                try:
                    await self._look(found, seen)
                finally:
                    if turn:
                        await self._database.run(looking.give_turn)
        except (LeaseLost, psycopg2.Error, DatabaseError) as error:
            log.warning("examination.dropped", error=str(error).strip() or type(error).__name__)
            if isinstance(error, psycopg2.Error):
                await self._database.close()
            if self._probe:
                self._untold.probe(self._probe)
            with contextlib.suppress(psycopg2.Error):  # still away: told when the shift is over
                await self._untold.tell()
        finally:
            flight.mine().examine(False)
        return seen

    async def _look(self, found: list[int], seen: list[int]) -> None:
        """Go through these destinations; adds to `seen` those that it came to."""
        flight.mine().examine(True)
        random.shuffle(found)  # so that processes side by side begin at different ones
        for destination_id in found:
            if not self._is_over:
                seen.append(destination_id)
            while not self._is_over and await self._destination(destination_id):
                pass

    @property
    def _is_over(self) -> bool:
        return clock() > self._ends_at or stopping.told()

    async def _destination(self, destination_id: int) -> bool:
        """Look into one suspect of each lane; whether there may be more."""
        run = self._database.run
        link = await run(looking.link_suspect, destination_id)
        if link and link.deaths_alone >= verdict.FATAL:
            await self._hold(destination_id, link.id, "its plugin kills", link.crashes)
            return False
        seen, sender = await self._begin(destination_id)
        if link and seen and not seen.stopped_because:
            await run(verdict.clear, link.id)
        if seen is None or sender is None or (seen.breaker != "closed" and not seen.probe_due):
            return False
        await run(lanes.recover, destination_id)
        slots, seconds = seen.slots(self._limits.share), self._limits.claim_for(sender)
        lease = await Lease.open(self._database, destination_id, owner.me(), slots, seconds)
        if lease is None:
            return False
        has_tried = await self._suspects(destination_id, lease, seen, sender)
        await lease.close()
        return has_tried

    async def _begin(self, destination_id: int) -> tuple[Control | None, Sender | None]:
        """The destination, and what sends to it: None if it may not be sent to, or is for a link to be held."""
        hands = flight.mine()
        slot = hands.take_link(destination_id)
        try:
            seen = await self._database.run(control.read, destination_id, examining=True)
            if seen is None or seen.stopped_because or seen.config_problem:
                return seen, None
            return seen, self._limits.sender(seen, self._client)
        except PluginBroken:
            return seen, None
        finally:
            hands.give(slot)

    async def _suspects(self, destination_id: int, lease: Lease, seen: Control, sender: Sender) -> bool:
        """Try one of each lane, or one in all if it is a probe; whether there was any, and others may follow."""
        settler = self._limits.settler(seen, sender)
        hands = Hands(flight.mine(), destination_id)
        examination = Examination(self._database, destination_id, lease, seen, sender, settler, hands)
        had, probing, may_go_on = list[int](), seen.breaker != "closed", True
        while may_go_on and not self._is_over and examination.may_go_on and not (probing and had):
            suspect = await self._database.run(lanes.take_suspect, lease.token, destination_id, self._tried, had)
            if suspect is None:
                break
            lease.lanes[suspect.lane.id] = suspect.lane
            if probing:
                self._probe = await self._database.run(health.start_probe, destination_id)
                if self._probe is None:
                    return False
            self._tried.append(suspect.id)
            had.append(suspect.lane.id)
            may_go_on = await self._judge(destination_id, seen.name, suspect, examination)
            if may_go_on:
                await lease.release([suspect.lane.id])
        if had:
            await self._report(destination_id, seen, settler, examination.succeeded)
        return may_go_on and bool(had)

    async def _judge(self, destination_id: int, name: str, suspect: Suspect, examination: Examination) -> bool:
        """What is to be done about one; False when its destination is not to be sent to any more."""
        run = self._database.run
        if suspect.deaths_alone < verdict.FATAL:
            if await examination.survives(suspect):
                await run(verdict.clear, suspect.id)
            return True
        if await run(verdict.is_poisoned, destination_id):
            await self._hold(destination_id, suspect.id, "its events kill", suspect.crashes)
            return False
        await examination.abort(suspect)
        await asyncio.to_thread(telling.of_event, suspect, name)
        await run(verdict.convict, suspect.id)
        return True

    async def _hold(self, destination_id: int, suspect_id: int, what: str, crashes: list[str]) -> None:
        """Hold a destination that kills whoever works for it."""
        name = await self._database.run(verdict.hold, destination_id, what, crashes)
        if name is not None:
            await asyncio.to_thread(telling.of_destination, suspect_id, name, what, crashes)

    async def _report(self, destination_id: int, seen: Control, settler: Settler, succeeded: bool) -> None:
        """Tell the destination's health what came of it, as a probe or a link does."""
        run, streak, error, verdict_ = self._database.run, settler.streak, settler.last_error, settler.streak.verdict()
        if verdict_ is Verdict.HOLD:
            await run(health.hold, destination_id, error)
        if self._probe and succeeded:
            await run(health.close_breaker, destination_id)
        elif self._probe:
            await run(health.fail_probe, self._probe, error, settler.retry_after)
        elif verdict_ is Verdict.OPEN:
            await run(health.open_breaker, destination_id, streak, error, settler.retry_after)
        elif verdict_ is Verdict.USER and streak.as_json() != seen.streak:
            await run(health.note_streak, destination_id, streak, error)
        self._probe = None
