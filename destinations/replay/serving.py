"""A link's share of work for replays: how much of it is taken up beside live traffic, and what of it is sent.

Must never take up so much that live events wait for it, nor send for a replay that is not running.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping

from destinations.courier import Courier
from destinations.lanes import ClaimedLane
from destinations.lease import Database
from destinations.reader import Ask, Owed
from destinations.replay import reading
from destinations.replay.pace import Pace
from destinations.replay.selection import Running
from destinations.selection import Wanted
from destinations.settle import Settler
from destinations.suspects.hands import Hands

MOST_EVENTS = 2000  # read at once, where few of them are what was asked for


class Replays:
    """The replays that one link has lanes of. `in_flight`: events it may have so."""

    def __init__(
        self,
        database: Database,
        courier: Courier,
        settler: Settler,
        hands: Hands,
        in_flight: int,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._courier = courier
        self._settler = settler
        self._hands = hands
        self._lane_ids: set[int] = set()
        self._sent_share = 1.0  # of what was read last
        self.pace = Pace(in_flight, clock)
        self.running: Mapping[int, Running] = {}

    def keep(self, running: Mapping[int, Running]) -> None:
        """Follow what runs now, and at which rates."""
        self.running = running
        self.pace.keep(running)

    def is_over(self, lanes: Iterable[ClaimedLane]) -> bool:
        """Whether one of these lanes must not be worked on any more: its replay was paused or cancelled."""
        return any(lane.replay and lane.replay not in self.running for lane in lanes)

    def room(self) -> int:
        """How many more events of replays may be in memory."""
        return max(0, self.pace.room(self.live_events, self._replayed))

    @property
    def live_events(self) -> int:
        """How many events in memory are of no replay."""
        return self._courier.events.total() - self._replayed

    @property
    def _replayed(self) -> int:
        return sum(self._courier.events[lane_id] for lane_id in self._lane_ids)

    def allowed(self, lane: ClaimedLane, events: int) -> int:
        """How many of so many events of a replay may be sent now."""
        self._lane_ids.add(lane.id)
        if lane.replay not in self.running:
            return 0
        return self.pace.allowed(lane.replay, min(events, self.room()))

    def add(self, owed: Owed) -> None:
        """Have an event of a replay sent."""
        self.pace.spend(owed.lane.replay)
        self._courier.add(owed)

    async def read(self, lanes: Collection[ClaimedLane], wanted: Mapping[int, Wanted], most_bytes: int) -> bool:
        """Read more of these lanes, as far as there is room; False when nothing came of it. Raises psycopg2.Error."""
        room = self.room()
        by_origin: dict[str, list[ClaimedLane]] = defaultdict(list)
        for lane in lanes:
            if lane.end and lane.progress.read_to < lane.end and room > 0 and self.allowed(lane, 1):
                by_origin[self.running[lane.replay].origin].append(lane)
        moved = False
        for origin, ready in by_origin.items():
            group = sorted(ready, key=lambda lane: lane.progress.read_to)[:room]
            most = -(-min(MOST_EVENTS, int(room / max(0.01, self._sent_share))) // len(group))
            asked = [Ask.more(lane, most) for lane in group]
            events, ended = await self._database.run(reading.next_events, asked, origin, most_bytes)
            moved = self._admit(events, wanted) > 0 or moved
            for ask in ended:
                finish(ask.lane)
            moved = moved or bool(ended)
        return moved

    def _admit(self, events: list[Owed], wanted: Mapping[int, Wanted]) -> int:
        """Decide what becomes of events, in order, until there is no room for the next; how many that were."""
        full, sent, passed = set[int](), 0, 0
        for owed in events:
            lane = owed.lane
            if lane.id in full or lane.connection_id not in wanted:
                continue
            reason = self.refusal(owed, wanted[lane.connection_id])
            is_sent = reason is None and not owed.held and owed.place not in lane.progress.beyond
            if is_sent and not self.allowed(lane, 1):
                full.add(lane.id)
                continue
            passed += 1
            if not lane.progress.read(owed.place, owed.day):
                continue
            if reason is not None:
                self._settler.filtered(owed, reason)
            elif owed.held:
                self._settler.wait(owed)
            else:
                self.add(owed)
                sent += 1
        if passed:
            self._sent_share = sent / passed
        return passed

    def refusal(self, owed: Owed, wanted: Wanted) -> str | None:
        """The reason why an event is not sent, or None when it is."""
        self._hands.parse(owed)
        return self.running[owed.lane.replay].refusal(owed, owed.event or {}, wanted)


def finish(lane: ClaimedLane) -> None:
    """Nothing is left to be read of this lane: its cursor goes to its end once all before is settled."""
    if lane.end and lane.progress.read_to < lane.end and lane.progress.read(lane.end, lane.progress.day):
        lane.progress.settle(lane.end)
