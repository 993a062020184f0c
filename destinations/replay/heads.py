"""Heads of replays for a probe, when nothing live could be tried. Must never count towards a replay's rate."""

from collections.abc import Mapping, Sequence

from destinations.lanes import ClaimedLane
from destinations.lease import Database
from destinations.reader import Ask, Owed
from destinations.replay import reading
from destinations.replay.selection import Running
from destinations.replay.serving import finish
from destinations.selection import Wanted
from destinations.settle import Settler
from destinations.suspects.hands import Hands

LANE_EVENTS = 50  # of a lane, looked at at once
LOOKS = 20


async def fresh(
    database: Database,
    lanes: Sequence[ClaimedLane],
    running: Mapping[int, Running],
    wanted: Mapping[int, Wanted],
    settler: Settler,
    hands: Hands,
    enough: int,
) -> list[Owed]:
    """The first event to send of each lane, of users who are not held. Raises psycopg2.Error."""
    heads: dict[int, Owed] = {}
    for _ in range(LOOKS):
        more = [lane for lane in lanes if lane.id not in heads and lane.end and lane.progress.read_to < lane.end]
        if not more or len(heads) >= enough:
            break
        for origin in {running[lane.replay].origin for lane in more}:
            asked = [Ask.more(lane, LANE_EVENTS) for lane in more if running[lane.replay].origin == origin]
            events, ended = await database.run(reading.next_events, asked, origin)
            for owed in events:
                lane = owed.lane
                if lane.id in heads or not lane.progress.read(owed.place, owed.day) or owed.held:
                    continue
                hands.parse(owed)
                reason = running[lane.replay].refusal(owed, owed.event or {}, wanted[lane.connection_id])
                if reason is None:
                    heads[lane.id] = owed
                else:
                    settler.filtered(owed, reason)
            for ask in ended:
                finish(ask.lane)
    return list(heads.values())
