"""Probing a destination whose breaker is open: a few head events of different lanes, one after the other.

Any success closes the breaker. Must never count towards giving an event up, and never spills the log into rows, except
a head that alone keeps failing: then it is the event, and the others get their turn.
"""

import random

import orjson

from destinations import health, reader
from destinations.breaker import Verdict
from destinations.control import Control
from destinations.lease import Database, Lease
from destinations.outcome import Outcome, classify
from destinations.plugins.base import BuildError
from destinations.reader import Owed
from destinations.selection import unwanted
from destinations.sender import Sender
from destinations.settle import Settler

PROBES = 3
LANES = 16  # looked at for heads
LANE_EVENTS = 20  # looked at in each: the first may be settled already
LONE_FAILURES = 3  # a single head that failed so often becomes a row


async def probe(
    database: Database, destination_id: int, lease: Lease, seen: Control, sender: Sender, settler: Settler
) -> bool:
    """Probe once; True when the breaker is closed now. Raises LeaseLost or psycopg2.Error."""
    await lease.take(LANES)
    heads = await _heads(database, lease, seen, sender, settler)
    succeeded = False
    for owed in heads[:PROBES]:
        if await _attempt(lease, owed, sender, settler):
            succeeded = True
            break
    lone = len(heads) == 1 and seen.probes_failed + 1 >= LONE_FAILURES
    if settler.failures and (succeeded or lone):
        settler.keep_failures()
    verdict = settler.streak.verdict()
    await lease.checkpoint(settler.take_changes())
    await lease.close()
    if succeeded:
        await database.run(health.close_breaker, destination_id)
        return True
    if verdict is Verdict.HOLD:
        await database.run(health.hold, destination_id, settler.last_error)
    failed = seen.probes_failed + bool(settler.last_error)
    await database.run(health.fail_probe, destination_id, failed, settler.last_error)
    return False


async def _heads(database: Database, lease: Lease, seen: Control, sender: Sender, settler: Settler) -> list[Owed]:
    """The first event to send of each lane: of users who are not held, else of held users whose turn it is."""
    wanted = seen.wanted(sender.names)
    lanes = [lane for lane in lease.lanes.values() if wanted[lane.connection_id].active]
    heads: dict[int, Owed] = {}
    for owed in await database.run(reader.next_events, [(lane, LANE_EVENTS) for lane in lanes]):
        if owed.lane.id in heads or not owed.lane.progress.read(owed.place, owed.day):
            continue
        owed.event = orjson.loads(owed.payload or "{}")
        if reason := unwanted(owed.event or {}, owed.place[0], wanted[owed.lane.connection_id]):
            settler.filtered(owed, reason)
        elif owed.held:
            settler.wait(owed)
        else:
            heads[owed.lane.id] = owed
    if not heads:
        for queue in await database.run(reader.due_queues, lanes):
            queue[0].event = orjson.loads(queue[0].payload) if queue[0].payload else None
            heads[queue[0].lane.id] = queue[0]
    chosen = list(heads.values())
    random.shuffle(chosen)
    return chosen


async def _attempt(lease: Lease, owed: Owed, sender: Sender, settler: Settler) -> bool:
    """Send one head; True when the destination took it."""
    await lease.renew_if_due()
    try:
        request = sender.build(owed)
    except BuildError as error:
        settler.unbuildable(owed, str(error))
        return False
    answer = await sender.send(owed, request)
    settler.answered(owed, request, answer)
    return classify(answer) in {Outcome.DELIVERED, Outcome.ABORTED}
