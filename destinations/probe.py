"""Probing a destination whose breaker is open: a few head events of different users, at once.

Any success closes the breaker. Must never count towards giving an event up, and never spills the log into rows, except
a head that alone keeps failing: then it is the event, and the others get their turn.
"""

import asyncio
import random

from destinations import control, health, reader
from destinations.attempt import attempt
from destinations.breaker import Verdict
from destinations.control import Control
from destinations.health import Probe
from destinations.lanes import ClaimedLane, Which
from destinations.lease import Database, Lease
from destinations.reader import Ask, Owed
from destinations.replay import heads as replayed
from destinations.selection import Wanted, in_gap, unwanted
from destinations.sender import Sender
from destinations.settle import Settler
from destinations.skip import Skip
from destinations.suspects.hands import Hands
from ingest.models import LANES

PROBES = 3
LANE_EVENTS = 50  # of a lane, looked at at once
LOOKS = 20  # so many times, until there are heads enough: what is not wanted or held may stand before them
LONE_FAILURES = 3  # a single head that failed so often becomes a row


async def probe(
    database: Database,
    begun: Probe,
    lease: Lease,
    seen: Control,
    sender: Sender,
    settler: Settler,
    hands: Hands,
) -> bool:
    """Probe once; True when the breaker is closed now. Raises LeaseLost or psycopg2.Error."""
    destination_id = begun.destination_id
    taken = await lease.take(len(seen.connections) * LANES)
    latest = Latest(database, destination_id, seen, sender.names)
    lanes = [lane for lane in taken if latest.is_active(lane)]
    heads = await _fresh_heads(lease, lanes, latest, settler, hands)
    heads = heads or await _row_heads(database, lanes, settler, hands, seen.skip)
    if not heads and seen.replays:
        heads = await _replayed_heads(database, lease, seen, latest.wanted, settler, hands)
    succeeded = False
    if heads and await latest.read():
        heads = [owed for owed in heads if latest.is_active(owed.lane)]
        probes = min(PROBES, seen.max_concurrency or PROBES)
        attempts = asyncio.gather(*(_probe(owed, lease, sender, settler, hands) for owed in heads[:probes]))
        succeeded = any(await lease.during(attempts))
    if len(heads) == 1 and is_lone(heads[0], seen, settler):
        settler.keep_failures()
    verdict = settler.streak.verdict()
    await lease.checkpoint(settler.take_changes())
    await lease.close()
    if succeeded:
        await database.run(health.close_breaker, destination_id)
        return True
    if verdict is Verdict.HOLD:
        await database.run(health.hold, destination_id, settler.last_error)
    await database.run(health.fail_probe, begun, settler.last_error, settler.retry_after)
    return False


class Latest:
    """The destination as it was read last: what the log holds is decided by nothing older than it."""

    def __init__(self, database: Database, destination_id: int, seen: Control, names: frozenset[str]) -> None:
        self.database = database
        self._destination_id = destination_id
        self._names = names
        self._keep(seen)

    def _keep(self, seen: Control) -> None:
        self.control, self.wanted = seen, seen.wanted(self._names)

    async def read(self) -> bool:
        """Read it anew; False when the probe is to send nothing: it was stopped, or is another one now."""
        seen, before = await self.database.run(control.read, self._destination_id), self.control
        if seen is None or seen.stopped_because or (seen.fixed, seen.skip) != (before.fixed, before.skip):
            return False
        self._keep(seen)
        return True

    def is_active(self, lane: ClaimedLane) -> bool:
        """Whether the lane's connection is there and switched on."""
        found = self.wanted.get(lane.connection_id)
        return found is not None and found.active


async def _fresh_heads(
    lease: Lease, lanes: list[ClaimedLane], latest: Latest, settler: Settler, hands: Hands
) -> list[Owed]:
    """The first event to send of each lane, of users who are not held; held users' events are left as they are."""
    heads: dict[int, Owed] = {}
    for _ in range(LOOKS):
        await lease.renew_if_due()
        asked = [Ask.more(lane, LANE_EVENTS) for lane in lanes if lane.id not in heads and latest.is_active(lane)]
        events = await latest.database.run(reader.next_events, asked)
        if events and events[0].config_version != latest.control.config_version and not await latest.read():
            return []
        for owed in events:
            if latest.is_active(owed.lane) and owed.lane.id not in heads:
                _look_at(owed, latest, settler, hands, heads)
        if not events or len(heads) >= PROBES:
            break
    return _shuffled(heads)


def _look_at(owed: Owed, latest: Latest, settler: Settler, hands: Hands, heads: dict[int, Owed]) -> None:
    """Settle what is not to be sent, or make it its lane's head."""
    if not owed.lane.progress.read(owed.place, owed.day):
        return
    wanted, skip = latest.wanted[owed.lane.connection_id], latest.control.skip
    if skip and skip.covers(owed.place[0]) and not in_gap(owed.place[0], wanted.gaps):
        settler.skip(owed, skip.actor)
        return
    if owed.held:
        return
    hands.parse(owed)
    if reason := unwanted(owed.event or {}, owed.place[0], wanted):
        settler.filtered(owed, reason)
    else:
        heads[owed.lane.id] = owed


async def _row_heads(
    database: Database, lanes: list[ClaimedLane], settler: Settler, hands: Hands, skip: Skip | None
) -> list[Owed]:
    """The heads of held users whose turn it is, one of each lane."""
    heads: dict[int, Owed] = {}
    for queue in await database.run(reader.due_queues, lanes, skip):
        for owed in queue:
            if skip and skip.covers(owed.place[0]):
                settler.skip(owed, skip.actor)
                continue
            hands.parse(owed)
            heads[owed.lane.id] = owed
            break
    return _shuffled(heads)


async def _replayed_heads(
    database: Database, lease: Lease, seen: Control, wanted: dict[int, Wanted], settler: Settler, hands: Hands
) -> list[Owed]:
    """Heads of replays, where nothing live could tell."""
    taken = await lease.take(len(seen.connections) * LANES, Which.REPLAYS)
    active = [lane for lane in taken if lane.connection_id in wanted and wanted[lane.connection_id].active]
    lanes = [lane for lane in active if lane.replay in seen.replays]
    heads = await replayed.fresh(database, lanes, seen.replays, wanted, settler, hands, PROBES)
    return _shuffled(dict(enumerate(heads))) or await _row_heads(database, lanes, settler, hands, None)


def _shuffled(heads: dict[int, Owed]) -> list[Owed]:
    chosen = list(heads.values())
    random.shuffle(chosen)
    return chosen


async def _probe(owed: Owed, lease: Lease, sender: Sender, settler: Settler, hands: Hands) -> bool:
    """Send one head; True when the destination took it."""
    await sender.turns.take(asyncio.Event())
    return await attempt(owed, hands, sender, settler, lease) is True


def is_lone(owed: Owed, seen: Control, settler: Settler) -> bool:
    """Whether the one head that was sent failed so often that it is to become a row.

    Only if it was answered: unreachable is the destination, not the event.
    """
    failure = settler.failures.get(owed.user)
    often = seen.probes_failed + 1 >= LONE_FAILURES
    return often and failure is not None and failure.answer.connected and not owed.is_row
