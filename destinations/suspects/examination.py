"""Trying a suspect: its user's events in order up to it, one at a time, with nothing else in flight in this process.

Through the same attempt, bookkeeping and checkpoints as a link's. Each event is checkpointed before the next is
touched, so that a death repeats only the one that killed. Must never be run beside a link of the same process.
"""

import asyncio
from enum import Enum, auto

from destinations import control, reader
from destinations.attempt import attempt
from destinations.breaker import Verdict
from destinations.control import Control
from destinations.lanes import ClaimedLane, Suspect
from destinations.lease import Database, Lease, LeaseLost
from destinations.probe import is_lone
from destinations.progress import Place
from destinations.reader import Ask, Owed
from destinations.replay import reading
from destinations.selection import in_gap, unwanted
from destinations.sender import Sender
from destinations.settle import Settler
from destinations.suspects.hands import Hands

LANE_EVENTS = 100  # read at once
LANE_USERS = 1000  # held users of a lane, among whom the suspect's is looked for


class Fate(Enum):
    """What became of one event."""

    SETTLED = auto()  # the user's next event may follow
    KEPT = auto()  # a failed row: the user's next events wait behind it
    UNSETTLED = auto()  # the destination failed, not the event
    UNTOUCHED = auto()  # nothing may be sent any more


class Examination:
    """Tries suspects of one destination, whose lanes are in one lease."""

    def __init__(
        self,
        database: Database,
        destination_id: int,
        lease: Lease,
        seen: Control,
        sender: Sender,
        settler: Settler,
        hands: Hands,
    ) -> None:
        self._database = database
        self._destination_id = destination_id
        self._lease = lease
        self._control = seen
        self._wanted = seen.wanted(sender.names)
        self._sender = sender
        self._settler = settler
        self._hands = hands
        self._probing = seen.breaker != "closed"
        self.succeeded = False  # the destination took something
        self._is_stopped = False  # somebody stopped or changed the destination meanwhile

    @property
    def may_go_on(self) -> bool:
        """Whether the destination may be sent to, as far as this knows. A probe is there to find out."""
        return not self._is_stopped and (self._probing or self._settler.streak.verdict() is Verdict.USER)

    async def survives(self, suspect: Suspect) -> bool:
        """Whether it is no longer to be feared: it was touched and this process lives, or it will not be touched now.

        The latter: it was settled before, or waits behind a failed event of its user; a later death suspects it anew.
        False: its turn did not come, since the destination fails or was stopped. Raises LeaseLost or psycopg2.Error.
        """
        if not self._may_try(suspect.lane):
            return False
        if (of_rows := await self._work_rows(suspect)) is not None:
            return of_rows
        while events := await self._more(suspect.lane):
            for owed in events:
                if owed.place > suspect.place:
                    return True
                if not owed.lane.progress.read(owed.place, owed.day) or owed.user_key != suspect.user_key:
                    continue
                if owed.held:
                    return True
                if (concluded := _concluded(owed, suspect, await self._work(owed))) is not None:
                    return concluded
        return True

    async def abort(self, suspect: Suspect) -> None:
        """Make a dead letter of it without touching it, whatever its user's earlier events wait for."""
        owed = await self._database.run(reader.open_row, suspect.lane, suspect.place)
        owed = owed or await self._find(suspect.lane, suspect.place)
        if owed:
            self._settler.poison(owed, suspect.crashes)
            await self._lease.checkpoint(self._settler.take_changes())

    async def _work_rows(self, suspect: Suspect) -> bool | None:
        """Work the user's rows up to the suspect; None when there is none left before it."""
        while True:
            queues = await self._database.run(reader.due_queues, [suspect.lane], self._control.skip, LANE_USERS)
            queue = next((rows for rows in queues if rows[0].user_key == suspect.user_key), None)
            if queue is None:
                return None
            for owed in queue:
                if owed.place > suspect.place:
                    return True
                if (concluded := _concluded(owed, suspect, await self._work(owed))) is not None:
                    return concluded

    async def _work(self, owed: Owed) -> Fate:
        """One event, from its payload to its checkpoint."""
        seen = await self._database.run(control.read, self._destination_id, examining=True)
        if seen is None or seen.stopped_because is not None or seen.fixed != self._control.fixed:
            self._is_stopped = True
            return Fate.UNTOUCHED
        self._control, self._wanted = seen, seen.wanted(self._sender.names)  # what was switched since decides
        if not self._may_try(owed.lane):
            return Fate.UNTOUCHED
        fate = await self._try(owed)
        if fate is Fate.UNSETTLED:
            fate = self._keep(owed)
        await self._lease.checkpoint(self._settler.take_changes())
        return fate

    def _keep(self, owed: Owed) -> Fate:
        """What a failure is: its user's own, and a row; or the destination's, if a probe has not long met only this."""
        if self._probing:
            if owed.is_row:
                return Fate.KEPT
            if not is_lone(owed, self._control, self._settler):
                return Fate.UNSETTLED
        elif self._settler.streak.verdict() is not Verdict.USER:
            return Fate.UNSETTLED
        held, _ = self._settler.keep_failures()
        return Fate.KEPT if held or self._probing else Fate.SETTLED  # a probe ends with its first failure

    def _may_try(self, lane: ClaimedLane) -> bool:
        """Whether its connection is there and switched on, and its replay, if it is one's, runs."""
        wanted = self._wanted.get(lane.connection_id)
        return wanted is not None and wanted.active and (not lane.replay or lane.replay in self._control.replays)

    async def _try(self, owed: Owed) -> Fate:
        wanted, skip = self._wanted[owed.lane.connection_id], self._control.skip
        is_wanted = owed.is_row or not in_gap(owed.place[0], wanted.gaps)
        if skip and is_wanted and not owed.lane.replay and skip.covers(owed.place[0]):
            self._settler.skip(owed, skip.actor)
            return Fate.SETTLED
        self._hands.parse(owed)
        if not owed.is_row and (reason := self._refusal(owed)):
            self._settler.filtered(owed, reason)
            return Fate.SETTLED
        await self._lease.during(self._sender.turns.take(asyncio.Event()))
        if not self._lease.is_good:
            raise LeaseLost("deadline passed")
        took = await self._lease.during(attempt(owed, self._hands, self._sender, self._settler, self._lease))
        self.succeeded = self.succeeded or took is True
        return Fate.UNSETTLED if took is False else Fate.SETTLED

    def _refusal(self, owed: Owed) -> str | None:
        event, wanted = owed.event or {}, self._wanted[owed.lane.connection_id]
        if owed.lane.replay:
            return self._control.replays[owed.lane.replay].refusal(owed, event, wanted)
        return unwanted(event, owed.place[0], wanted)

    async def _find(self, lane: ClaimedLane, place: Place) -> Owed | None:
        """The event there, read but not parsed; None if it is settled."""
        while events := await self._more(lane):
            for owed in events:
                if owed.place > place:
                    return None
                if owed.lane.progress.read(owed.place, owed.day) and owed.place == place:
                    return owed
        return None

    async def _more(self, lane: ClaimedLane) -> list[Owed]:
        """The lane's next events."""
        await self._lease.renew_if_due()
        asked = [Ask.more(lane, LANE_EVENTS)]
        if not lane.replay:
            return await self._database.run(reader.next_events, asked)
        origin = self._control.replays[lane.replay].origin
        events, _ = await self._database.run(reading.next_events, asked, origin)
        return events


def _concluded(owed: Owed, suspect: Suspect, fate: Fate) -> bool | None:
    """Whether the suspect is no longer to be feared, now that this became of its or an earlier event; None: go on."""
    if owed.place == suspect.place:
        return fate is not Fate.UNTOUCHED
    return None if fate is Fate.SETTLED else fate is Fate.KEPT
