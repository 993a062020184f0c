"""Log and lanes against a small pure model: appends, claims, checkpoints, releases, expiries and crashes in any order.

The model keeps, per lane, what was appended and what is durably settled; everything else it derives.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

import pytest
from django.db import connection as database
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations import checkpoint, lanes, reader
from destinations.checkpoint import Changes, Row
from destinations.lanes import ClaimedLane, Which
from destinations.oracle.sink import Sink
from destinations.progress import Place
from destinations.reader import Ask, Owed
from ingest.hashing import lane_of
from ingest.statements import insert_events
from tests import machines
from tests.forwarding.world import World, make_world
from tests.machines import SOME, nth

USERS = ["a", "b", "mate63"]  # the last two share a lane
SLOTS = 3
FATES = ["delivered", "aborted", "filtered", "waiting"]
_NAMES = count()


@dataclass
class LaneModel:
    """One lane as it must be: `events` in order, and the durable fate of those that have one."""

    events: list[str] = field(default_factory=list)
    fates: dict[str, str] = field(default_factory=dict)
    holder: int | None = None  # token


@dataclass
class ClaimModel:
    """What a holder has in memory."""

    token: int
    seq: int = 0
    valid: bool = True
    lanes: dict[int, ClaimedLane] = field(default_factory=dict)  # by number
    read: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))  # not settled before, in order
    open: dict[str, Owed] = field(default_factory=dict)
    fates: dict[int, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))  # since the last checkpoint
    changes: Changes = field(default_factory=Changes)


class LaneMachine(RuleBasedStateMachine):
    """Each example has a source and a destination of its own."""

    raw: Connection
    sink: Sink

    def __init__(self) -> None:
        super().__init__()
        self.world: World = make_world(self.sink, f"machine{next(_NAMES)}")
        self.model: dict[int, LaneModel] = defaultdict(LaneModel)
        self.held: list[ClaimModel] = []  # in the database, expired or not
        self.ghosts: list[ClaimModel] = []  # recovered: their holders may wake up late
        self.numbers = count()

    @property
    def destination(self) -> int:
        return int(self.world.destination.pk)

    def pick(self, holder: int) -> ClaimModel:
        """Some holder: mostly one whose claim is good."""
        return nth([*self.held, *self.held, *self.ghosts[-2:]], holder)

    @initialize(users=st.lists(st.sampled_from(USERS), min_size=15, max_size=30), most=st.integers(1, 4))
    def begin(self, users: list[str], most: int) -> None:
        """Something to do, and somebody at it."""
        self.append(users[::2])
        self.append(users[1::2])
        self.open_claim(most)

    @rule(users=st.lists(st.sampled_from(USERS), min_size=1, max_size=6))
    def append(self, users: list[str]) -> None:
        """One request with events of some users. Ids fall while positions rise, so that no order can be mistaken."""
        named = [(user, f"e{10_000 - next(self.numbers)}") for user in users]
        insert_events(self.raw, [self.world.event(user, name) for user, name in named])
        for user, name in named:
            self.model[lane_of(user)].events.append(name)

    @precondition(lambda self: len(self.held) <= SLOTS)
    @rule(most=st.integers(1, 4))
    def open_claim(self, most: int) -> None:
        token = lanes.open_claim(self.raw, self.destination, "machine", SLOTS, 600)
        assert (token is None) == (len(self.held) >= SLOTS)
        if token is not None:
            claim = ClaimModel(token)
            self.held.append(claim)
            self._take(claim, most)

    @precondition(lambda self: self.held)
    @rule(holder=SOME, most=st.integers(1, 4))
    def take(self, holder: int, most: int) -> None:
        self._take(self.pick(holder), most)

    @precondition(lambda self: self.held)
    @rule(holder=SOME, most=st.integers(1, 4), users=st.lists(st.sampled_from(USERS), min_size=1, max_size=4))
    def take_named(self, holder: int, most: int, users: list[str]) -> None:
        """News named lanes of these users."""
        claim, numbers = self.pick(holder), {lane_of(user) for user in users}
        before = set(claim.lanes)
        self._take(claim, most, Which.NAMED, [lanes.Name(self.world.source.pk, number) for number in sorted(numbers)])
        assert set(claim.lanes) - before <= numbers

    def _take(
        self,
        claim: ClaimModel,
        most: int,
        which: Which = Which.LIVE,
        named: Sequence[lanes.Name] = (),
    ) -> None:
        taken = lanes.take(self.raw, claim.token, self.destination, most, which, named)
        assert claim.valid or not taken
        assert len(taken) <= most
        for lane in taken:
            model = self.model[lane.number]
            assert model.holder is None
            assert len(model.fates) < len(model.events) or "waiting" in model.fates.values()
            model.holder = claim.token
            claim.lanes[lane.number] = lane

    @precondition(lambda self: self.held)
    @rule(
        holder=SOME,
        most=st.integers(1, 5),
        fates=st.lists(st.tuples(SOME, st.sampled_from(FATES)), min_size=2, max_size=8),
        then_checkpoint=st.booleans(),
    )
    def work(self, holder: int, most: int, fates: list[tuple[int, str]], then_checkpoint: bool) -> None:
        """Read on and settle some of what is open, in any order."""
        claim = self.pick(holder)
        if not claim.lanes:
            self._take(claim, most)
        self._read(claim, most)
        for some, fate in fates:
            if claim.open:
                self._settle(claim, nth(sorted(claim.open), some), fate)
        if then_checkpoint:
            self._checkpoint(claim)

    def _read(self, claim: ClaimModel, most: int) -> None:
        """Whatever a holder reads is the lane in order, without what was settled when it took the lane."""
        for owed in reader.next_events(self.raw, [Ask.more(lane, most) for lane in claim.lanes.values()]):
            number = owed.lane.number
            settled_before = owed.message_id in self.model[number].fates
            is_open = owed.lane.progress.read(owed.place, owed.day)
            if claim.valid:
                assert is_open != settled_before
                assert owed.held == self._is_held(owed.user_key)
            if is_open:
                claim.read[number].append(owed.message_id)
                claim.open[owed.message_id] = owed
        for number, names in claim.read.items():
            assert names == [name for name in self.model[number].events if name in set(names)]

    def _settle(self, claim: ClaimModel, name: str, fate: str) -> None:
        owed = claim.open.pop(name)
        progress = owed.lane.progress
        if fate == "delivered":
            progress.deliver(owed.place)
        elif fate == "filtered":
            progress.filter(owed.place, "event_filter")
        else:
            (progress.abort if fate == "aborted" else progress.settle)(owed.place)
            claim.changes.put(_row(owed, fate))
        claim.fates[owed.lane.number][name] = fate

    @precondition(lambda self: self.held)
    @rule(holder=SOME)
    def checkpoint(self, holder: int) -> None:
        self._checkpoint(self.pick(holder))

    def _checkpoint(self, claim: ClaimModel) -> None:
        claim.seq += 1
        progress = checkpoint.progress_json(claim.lanes.values())
        written = checkpoint.write(self.raw, claim.token, claim.seq, progress, claim.changes)
        assert written == claim.valid
        if written:
            for number, fates in claim.fates.items():
                self.model[number].fates |= fates
            claim.fates.clear()
            claim.changes = Changes()

    @precondition(lambda self: self.held)
    @rule(holder=SOME, most=st.integers(1, 3), and_close=st.booleans())
    def release(self, holder: int, most: int, and_close: bool) -> None:
        """Give lanes back, all of them to close the claim; checkpointed before, as a link does."""
        claim = self.pick(holder)
        self._checkpoint(claim)
        numbers = sorted(claim.lanes) if and_close else sorted(claim.lanes)[:most]
        given = [claim.lanes.pop(number) for number in numbers]
        if and_close and claim.valid:
            assert lanes.close_claim(self.raw, claim.token, self.destination, given)
        elif and_close and given:
            assert not lanes.close_claim(self.raw, claim.token, self.destination, given)
        else:
            assert lanes.release(self.raw, claim.token, given) == (claim.valid or not given)
        for name in [name for name, owed in claim.open.items() if owed.lane.number in numbers]:
            del claim.open[name]
        for number in numbers:
            claim.read.pop(number, None)
            if claim.valid:
                self.model[number].holder = None
        if and_close and claim.valid:
            self._forget(claim)

    @precondition(lambda self: self.held)
    @rule(holder=SOME, recover=st.booleans())
    def expire(self, holder: int, recover: bool) -> None:
        """A holder dies or is late: what it did since its checkpoint never happened."""
        claim = nth(self.held, holder)
        self._expire(claim)
        assert not lanes.renew(self.raw, claim.token, 600)
        if recover:
            self.recover()

    def _expire(self, claim: ClaimModel) -> None:
        with database.cursor() as cursor:
            cursor.execute(
                "UPDATE destinations_claim SET expires_at = clock_timestamp() - interval '1 second' WHERE id = %s",
                [claim.token],
            )
        claim.valid = False

    @precondition(lambda self: any(not claim.valid for claim in self.held))
    @rule()
    def recover(self) -> None:
        over = [claim for claim in self.held if not claim.valid]
        assert lanes.recover(self.raw, self.destination) == len(over)
        for claim in over:
            self._forget(claim)

    def _forget(self, claim: ClaimModel) -> None:
        claim.valid = False
        self.held.remove(claim)
        self.ghosts.append(claim)
        for lane in self.model.values():
            if lane.holder == claim.token:
                lane.holder = None

    @invariant()
    def every_event_has_exactly_one_fate(self) -> None:
        terms = self.world.balance()
        fates = [fate for lane in self.model.values() for fate in lane.fates.values()]
        counted = {fate: fates.count(fate) for fate in FATES}
        accepted = sum(len(lane.events) for lane in self.model.values())
        assert {fate: terms[fate] for fate in FATES} == counted
        assert (terms["accepted"], terms["pending"], terms["difference"]) == (accepted, accepted - len(fates), 0)

    def teardown(self) -> None:
        """Whatever state it was left in: the next claim finds every event that has no fate yet, once and in order."""
        for claim in self.held:
            self._expire(claim)
        self.recover()
        token = lanes.open_claim(self.raw, self.destination, "teardown", SLOTS, 600)
        assert token is not None
        claim = ClaimModel(token)
        self.held.append(claim)
        self._take(claim, 64)
        self._read(claim, 10_000)
        for name in list(claim.open):
            self._settle(claim, name, "delivered")
        self._checkpoint(claim)
        self.every_event_has_exactly_one_fate()
        assert self.world.balance()["pending"] == 0

    def _is_held(self, user: str) -> bool:
        return any(row.state == "waiting" for row in self.world.rows(user_key=user))


def _row(owed: Owed, fate: str) -> Row:
    place: Place = owed.place
    lane = owed.lane
    return Row(lane.connection_id, lane.number, owed.user_key, *place, owed.day, owed.message_id, fate, "")


def machine(raw: Connection, sink: Sink) -> type[LaneMachine]:
    return type("Machine", (LaneMachine,), {"raw": raw, "sink": sink})


def run_machine(raw: Connection, examples: int, steps: int) -> None:
    with Sink() as sink:
        machines.run(machine(raw, sink), examples, steps)


def test_log_and_lanes_agree_with_the_model(raw: Connection) -> None:
    run_machine(raw, examples=15, steps=30)


@pytest.mark.slow
def test_log_and_lanes_agree_with_the_model_for_long(raw: Connection) -> None:
    run_machine(raw, examples=50, steps=60)
