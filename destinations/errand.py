"""What a link's courier is sent on: one attempt, or one request for several events, as soon as it may be made.

Must never send while what was sent before waits for too long to be noted, nor for a lease that may be over.
"""

import asyncio
from collections.abc import Sequence

from destinations.attempt import attempt, attempt_together
from destinations.courier import Courier
from destinations.courier_of_batches import CourierOfBatches
from destinations.lease import Lease
from destinations.outcome import BatchFate
from destinations.outlook import Outlook
from destinations.reader import Owed
from destinations.sender import Sender
from destinations.settle import Settler
from destinations.skip import Skip
from destinations.suspects.hands import Hands

CHECKPOINT_EVENTS = 200  # while a checkpoint is written, so many more are sent at most, and what is in flight


class Errand:
    """One link's. `skip`: what an operator passed over last."""

    def __init__(
        self,
        lease: Lease,
        sender: Sender,
        settler: Settler,
        hands: Hands,
        outlook: Outlook,
        skip: Skip | None,
    ) -> None:
        self._lease = lease
        self._sender = sender
        self._settler = settler
        self._hands = hands
        self._outlook = outlook
        self.skip = skip
        self._has_room = asyncio.Event()  # for events that no checkpoint has noted yet
        self._has_room.set()
        self._stopping = asyncio.Event()

    def courier(self) -> Courier:
        """Who goes on it, as many side by side as the destination is sent requests."""
        allowance = self._sender.allowance
        made = Courier(self._deliver, self._stopping)
        if allowance.takes_batches:
            made = CourierOfBatches(
                self._deliver, self._stopping, self._deliver_together, lambda: allowance.batch_events
            )
        made.allow(allowance.requests, allowance.singles)
        return made

    def make_room(self) -> None:
        """What was sent is being noted, or is not to be noted any more."""
        self._has_room.set()

    def skips(self, owed: Owed) -> bool:
        """Settle the event as skipped if an operator passed it over."""
        skip = self._skip_of(owed)
        if skip:
            self._settler.skip(owed, skip.actor)
        return skip is not None

    def _skip_of(self, owed: Owed) -> Skip | None:
        skip = self.skip
        return skip if skip and not owed.lane.replay and skip.covers(owed.place[0]) else None

    async def _deliver(self, owed: Owed) -> bool:
        """One attempt; True when the user's next event may follow."""
        if self.skips(owed):
            return True
        async with self._sender.allowance.slot(1):
            if not await self._may_send(1):
                return False
            may_go_on = await attempt(owed, self._hands, self._sender, self._settler, self._lease) is not False
        self._note()
        return may_go_on

    async def _deliver_together(self, events: Sequence[Owed]) -> BatchFate:
        """One request for all; refused when it was not made. Unless it was taken nothing is known of any of them."""
        if not all(self._sender.may_go_together(owed) and not self._skip_of(owed) for owed in events):
            return BatchFate.REFUSED
        async with self._sender.allowance.slot(len(events)):
            if not await self._may_send(len(events)):
                return BatchFate.REFUSED
            fate = await attempt_together(events, self._hands, self._sender, self._settler, self._lease)
        self._note()
        return fate

    async def _may_send(self, events: int) -> bool:
        await self._has_room.wait()
        return await self._sender.turns.take(self._stopping, events) and self._lease.is_good

    def _note(self) -> None:
        self._outlook.note_answer()
        # Who is told to stop sends nothing more, and must not be kept waiting for a checkpoint that may never come.
        if self._settler.settled >= CHECKPOINT_EVENTS and not self._stopping.is_set():
            self._has_room.clear()
            self._outlook.cut_short()
