"""One link of a destination's chain: read after the cursors, send in order per user, checkpoint, give back.

This is the main path of forwarding. Must never send for a lane whose claim may be lost, and never carries on from
memory after an error: what was not checkpointed is read again by the next link.
"""

import asyncio

import psycopg2

from destinations import control, doorbell, reader, stopping
from destinations.breaker import Verdict
from destinations.control import Control
from destinations.doorbell import Lanes
from destinations.due import LANE_SPAN, READ_EVENTS, Due
from destinations.errand import CHECKPOINT_EVENTS, Errand
from destinations.lanes import LANE_ROWS, ClaimedLane, Which
from destinations.lease import Database, Lease, LeaseLost, clock
from destinations.marks import Mark
from destinations.memory import Memory
from destinations.outlook import POLL_MOST_SECONDS, POLL_SECONDS, Outlook
from destinations.reader import Owed
from destinations.replay import steer
from destinations.replay.serving import Replays
from destinations.selection import Wanted, in_gap, unwanted
from destinations.sender import Sender
from destinations.settle import Settler
from destinations.suspects.hands import Hands
from destinations.unheld import Unheld
from destinations.witness import Witness
from ingest.models import LANES

CHECKPOINT_SECONDS = 0.05  # times outlook.crowd
CONTROL_SECONDS = 0.25  # how soon a link notices the mode, a hold or a changed destination, times outlook.crowd
TAKES = 3  # after which a link that is alone takes the lanes without work, too
SPARE_LANES = 2 * LANES  # if they are no more: each is written twice, when it is taken and given back
TELLERS = 2  # calls of the doorbell under way at once
HANG_SECONDS = 0.5  # a request that takes longer is not waited for with what others have to do


class Link:
    """Forwards the lanes of one lease."""

    def __init__(
        self,
        database: Database,
        destination_id: int,
        lease: Lease,
        seen: Control,
        sender: Sender,
        settler: Settler,
        hands: Hands,
        mark: Mark,
        outlook: Outlook,
    ) -> None:
        self._database = database
        self._destination_id = destination_id
        self._lease = lease
        self._control = seen
        self._sender = sender
        self._settler = settler
        self._hands = hands
        self._wanted = seen.wanted(sender.names)
        self._stopped: set[int] = set()  # lanes this link must not read further
        self._mark, self.outlook = mark, outlook
        self._due, self._unheld = Due(), Unheld()
        self._checkpoint_at = self._control_at = self._take_at = 0.0
        self._alone_at = clock() + CONTROL_SECONDS  # until then another link may be on its way, to share the lanes
        self._takes = 0  # that found lanes
        self._witness = Witness(database, destination_id, settler, sender, seen)
        self._first, self._outdated = seen, False  # once configuration has changed the next link reads it
        self._errand = Errand(lease, sender, settler, hands, outlook, seen.skip)
        self._courier = self._errand.courier()
        self._memory = Memory(self._courier.sizes, outlook.links)
        self._replays = Replays(database, self._courier, settler, hands, sender.allowance.singles, clock)
        self._replays.keep(seen.replays)
        self._telling: list[asyncio.Task[None]] = []
        self.progressed = False  # something was settled: the next link may find more
        self.ended_quietly = False  # an error ended it, and nothing of it can reach the destination any more

    async def serve(self, first_lanes: int, budget_seconds: float, overtime_seconds: float) -> None:
        """Work until the budget is used up, there is no work, or the destination must be left alone.

        Longer while ending would wait for requests that hang, or help nobody: each start of a link costs others.
        Raises LeaseLost or psycopg2.Error: then everything not checkpointed is forgotten.
        """
        try:
            self._first_lanes = first_lanes
            await self._start(first_lanes)
            ends_at = clock() + budget_seconds
            while self._may_go_on() and (clock() < ends_at or self._may_stay(ends_at, overtime_seconds)):
                if self.outlook.is_enough(await self._tick()) and not await self._unsettled_in_sight():
                    break
            await self._drain()
        except psycopg2.Error:
            self.ended_quietly = await self._quiesce()
            raise
        finally:
            await self._courier.cancel()
            await asyncio.gather(*self._telling, return_exceptions=True)

    def hear(self, named: Lanes | None) -> None:
        """There may be events in these lanes, or in any."""
        if named is None:
            self._due.look_at_all()
            self._unheld.look_at_all()
        else:
            self._due.hear(named, self._lease.lanes.values(), clock())
            self._unheld.hear(named, clock())
        self.outlook.wake()

    async def _quiesce(self) -> bool:
        """Start nothing new and wait for what is in flight, as long as the lease allows; True when all of it ended."""
        self._courier.stop()
        self._errand.make_room()
        while self._courier.flying and self._lease.is_good:
            await asyncio.sleep(POLL_SECONDS)
        return not self._courier.flying

    def _may_go_on(self) -> bool:
        is_well = self._control.may_send and self._witness.verdict is Verdict.USER
        return is_well and not self._outdated and not stopping.told()

    def _call_another(self) -> None:
        """Ring for one more link, without waiting for it: a broker that is away takes seconds to say so."""
        self._telling = [task for task in self._telling if not task.done()]
        if len(self._telling) < TELLERS:
            self._telling.append(asyncio.create_task(asyncio.to_thread(doorbell.call, self._destination_id)))

    def _may_stay(self, ends_at: float, overtime_seconds: float) -> bool:
        hangs = overtime_seconds if self._courier.hangs(HANG_SECONDS) else 0.0
        is_due = self._stopped or self._control.has_suspects or any(lane.replay for lane in self._lease.lanes.values())
        return clock() < ends_at + max(hangs, 0.0 if is_due else self.outlook.overtime(self._courier.busy_users))

    async def _start(self, first_lanes: int) -> None:
        taken = await self._lease.take(first_lanes)
        if taken and len(taken) == first_lanes:  # there is enough for another link beside this one
            self._call_another()
        await self._adopt(taken)
        await self._take_replays()

    async def _take_more(self) -> bool:
        """Take up lanes that have work by now, if any; all lanes, when a trickle has it come to one after the other."""
        named = self._unheld.choose(self._lease.lanes.values(), clock(), self.outlook.all_seconds)
        which = Which.LIVE if named is None else Which.NAMED
        taken = await self._lease.take(self._room(), which, named or ())
        await self._adopt(taken)
        self._takes += bool(taken)
        if taken and self._takes >= TAKES and self._control.claims == 1 and self._room() <= SPARE_LANES:
            await self._adopt(await self._lease.take(self._room(), Which.SPARE))
        return bool(taken)

    async def _take_replays(self) -> None:
        """Take up lanes of replays beside the live ones, if any runs."""
        if self._control.replays:
            await self._adopt(await self._lease.take(self._first_lanes, Which.REPLAYS))

    async def _adopt(self, taken: list[ClaimedLane]) -> None:
        """Take up new lanes: first the held users whose head is due."""
        if taken:
            self._due.look_at_all()
            if any(lane.connection_id not in self._wanted for lane in taken) or self._replays.is_over(taken):
                await self._read_control()
            self._settler.held.update(await self._database.run(reader.held_counts, taken))
            await self._retry_due()

    async def _tick(self) -> bool:
        """One round of the loop; False when there was nothing to do."""
        await self._keep_lease()
        self._send_as_much_as_is_taken()
        if clock() >= self._control_at:
            await self._look_around()
        live = await self._read()
        more = await self._read_replays() or (live and self._due.has_more)
        if not live and self._may_take(more):
            more = await self._take_more() or more
        await self._checkpoint_if_due()
        sending = self._courier.busy_users
        if live or more:
            self.outlook.note_found()
            await (asyncio.sleep(0) if more else self.outlook.gather())
        else:
            is_due = sending or self._has_unwritten() or self._replays.pace.waits
            await self.outlook.look_out(sending, CHECKPOINT_SECONDS * self.outlook.crowd if is_due else None)
        return live or more or sending > 0 or self._replays.pace.waits

    def _may_take(self, found: bool) -> bool:
        """Whether to look for lanes with work: always with nothing to do, now and then beside a replay or a hang."""
        live = self._replays.live_events
        if ((found or live) and clock() < self._take_at) or (live and not self._courier.hangs(HANG_SECONDS)):
            return False
        self._take_at = clock() + (CONTROL_SECONDS if live else POLL_MOST_SECONDS)
        return True

    async def _keep_lease(self) -> None:
        if failure := self._courier.failure:
            raise failure
        if not self._lease.is_good:
            raise LeaseLost("deadline passed")
        await self._lease.renew_if_due()

    def _send_as_much_as_is_taken(self) -> None:
        """Follow what the answers so far say of how much the destination takes at once."""
        allowance = self._sender.allowance
        self._courier.allow(allowance.requests, allowance.singles)
        self._replays.pace.in_flight = allowance.events

    async def _look_around(self) -> None:
        """Read mode, health and configuration anew, and retry what has become due."""
        self._control_at = clock() + CONTROL_SECONDS * self.outlook.crowd
        await self._read_control()
        self._mark.running()
        await self._retry_due()
        if await self._lease.recover_others(self._control.claims - 1):
            self._unheld.look_at_all()
            self._call_another()
        if self._control.claims == 1 and clock() >= self._alone_at:  # no other link came to share
            await self._take_more()
        await self._take_replays()

    async def _read_control(self) -> None:
        """Mode, health, configuration and connections as they are now."""
        if (seen := await self._database.run(control.read, self._destination_id)) is None:
            raise LeaseLost("destination deleted")
        before, self._control, self._wanted = self._wanted, seen, seen.wanted(self._sender.names)
        self._errand.skip = seen.skip
        self._sender.turns.keep_rate(seen.rate_limit, seen.claims)
        self._replays.keep(seen.replays)
        gone = [lane.id for lane in self._lease.lanes.values() if lane.connection_id not in self._wanted]
        self._lease.forget(gone)
        is_over = bool(gone) or self._judges_anew(before) or self._replays.is_over(self._lease.lanes.values())
        self._outdated = self._outdated or is_over or seen.ends_link_of(self._first)

    def _judges_anew(self, before: dict[int, Wanted]) -> bool:
        """Whether events that this link may have queued are to wait by now, or to be filtered."""
        held = {lane.connection_id for lane in self._lease.lanes.values()}
        pairs = [(before[one], self._wanted[one]) for one in held if one in before]
        return any((was.active and not now.active) or was.event_filter != now.event_filter for was, now in pairs)

    async def _retry_due(self) -> None:
        """Queue the rows of held users whose head is due, but of nobody whose rows are still being written."""
        if self._memory.is_full:
            return
        held = [lane for lane in self._lease.lanes.values() if self._settler.held[lane.id]]
        if not (lanes := [lane for lane in held if self._wanted[lane.connection_id].active]):
            return
        unwritten = {(row.connection_id, row.replay, row.user_key) for row in self._settler.changes.rows.values()}
        before = self._courier.users()
        most = reader.DUE_USERS + len(before)
        for queue in await self._database.run(reader.due_queues, lanes, self._control.skip, most):
            lane, user_key = queue[0].lane, queue[0].user_key
            if (lane.connection_id, lane.replay, user_key) not in unwritten and queue[0].user not in before:
                for owed in queue[: self._replays.allowed(lane, len(queue))] if lane.replay else queue:
                    if self._errand.skips(owed):
                        continue
                    self._hands.parse(owed)
                    (self._replays if lane.replay else self._courier).add(owed)

    async def _read(self) -> bool:
        """Read more of the log when memory runs low; False when there was nothing to read."""
        half = READ_EVENTS // 2
        if self._memory.is_full or (self._courier.queued > half and self._courier.moving(HANG_SECONDS) > half):
            return False
        live = [lane for lane in self._lease.lanes.values() if not lane.replay]
        asked = self._due.choose(live, self._may_read, clock(), self.outlook.all_seconds)
        most_bytes = self._memory.read_bytes
        events = await self._database.run(reader.next_events, asked, most_bytes) if asked else []
        self._due.note(asked, events, most_bytes, clock())
        if events and events[0].config_version != self._control.config_version:
            await self._read_control()  # something may have been switched before these events were accepted
        for owed in events:
            self._admit(owed)
        return bool(events)

    async def _read_replays(self) -> bool:
        """Read more for replays, as far as live traffic leaves room."""
        if self._memory.is_full:
            return False
        lanes = [lane for lane in self._lease.lanes.values() if lane.replay and self._may_read(lane)]
        active = [lane for lane in lanes if self._wanted[lane.connection_id].active]
        return await self._replays.read(active, self._wanted, self._memory.read_bytes)

    def _may_read(self, lane: ClaimedLane) -> bool:
        return (
            lane.id not in self._stopped
            and lane.progress.span < LANE_SPAN
            and self._settler.held[lane.id] < LANE_ROWS
            and self._memory.has_room(lane.id)
        )

    def _admit(self, owed: Owed) -> None:
        """Decide what becomes of an event of the log."""
        lane = owed.lane
        if lane.id in self._stopped or lane.id not in self._lease.lanes or not lane.progress.read(owed.place, owed.day):
            return
        wanted = self._wanted[lane.connection_id]
        if not in_gap(owed.place[0], wanted.gaps) and self._errand.skips(owed):
            return
        self._hands.parse(owed)
        if reason := unwanted(owed.event or {}, owed.place[0], wanted):
            self._settler.filtered(owed, reason)
        elif not wanted.active:  # owed from before it was switched off: it waits for its return
            self._stopped.add(lane.id)
        elif owed.held:
            self._settler.wait(owed)
        else:
            self._courier.add(owed)

    async def _checkpoint_if_due(self) -> None:
        if not self._has_unwritten():
            self._checkpoint_at = clock()  # failures at one moment are judged together: a row, or the destination's own
        elif (
            self._settler.settled >= CHECKPOINT_EVENTS
            or clock() >= self._checkpoint_at + CHECKPOINT_SECONDS * self.outlook.crowd
        ):
            await self.checkpoint()

    def _has_unwritten(self) -> bool:
        settler = self._settler
        return bool(settler.settled or settler.failures or settler.changes)

    async def checkpoint(self) -> None:
        """Write what happened. Failures become rows unless they look like the destination's own."""
        if self._settler.failures and self._witness.verdict is Verdict.USER:
            self.keep_failures()
        self.progressed = self.progressed or self._settler.settled > 0
        changes = self._settler.take_changes()
        self._errand.make_room()
        await self._lease.checkpoint(changes)
        if changes.rows:  # the next rows of those users may be due now
            self._control_at = 0.0
        await self._witness.note_streak()
        self._checkpoint_at = clock()

    def keep_failures(self) -> None:
        """The failures are their users' own: hold those users, and let go those whose event was aborted."""
        held, free = self._settler.keep_failures()
        for user in held:
            for owed in self._courier.take_queue(user):
                self._settler.wait(owed)
        for user in free:
            self._courier.unblock(user)

    async def _drain(self) -> None:
        """Start nothing new, wait for what is in flight; lanes without any go to other links at once."""
        self._mark.leave()
        self._courier.stop()
        aside_at = clock() + HANG_SECONDS
        handed_over = stepped_aside = False
        while self._courier.flying:
            await self._keep_lease()
            await self._checkpoint_if_due()
            if not self._settler.settled and not self._settler.changes:
                if not handed_over:
                    handed_over = await self._hand_over()
                elif not stepped_aside and clock() > aside_at:
                    stepped_aside = await self._step_aside()
            await self.outlook.pause()
        if self._has_unwritten():
            await self.checkpoint()
        if rests := self._replays.pace.rests():
            await self._database.run(steer.note_rests, rests)
        await self._witness.report()
        # The next link does not know of our last request.
        await self._lease.during(self._sender.turns.rest(asyncio.Event()))
        await self._lease.close()

    async def _hand_over(self) -> bool:
        """Release the lanes with nothing in flight or unwritten: others need not wait for a hanging request."""
        flying = {owed.lane.id for owed in self._courier.flying.values()}
        failed = {failure.owed.lane.id for failure in self._settler.failures.values()}
        idle = [lane_id for lane_id in self._lease.lanes if lane_id not in flying | failed]
        await self._lease.release(idle)
        if self.progressed and self._control.may_send:
            self._call_another()
        return True

    async def _step_aside(self) -> bool:
        """What is left hangs: another link may work meanwhile, unless requests in flight are counted."""
        if self._control.max_concurrency is None:
            await self._lease.step_aside()
        return await self._hand_over()

    async def _unsettled_in_sight(self) -> bool:
        """Whether events wait for the horizon: a commit a moment ago, most likely."""
        lanes = [lane for lane in self._lease.lanes.values() if self._may_read(lane)]
        return await self._database.run(reader.unsettled, lanes) or await self._database.run(
            reader.has_work, self._destination_id, unsettled=True
        )

    def _room(self) -> int:
        """How many lanes this link may still take."""
        live = sum(not lane.replay for lane in self._lease.lanes.values())
        return len(self._control.connections) * LANES - live
