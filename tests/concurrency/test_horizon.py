"""Producers whose commits interleave: a reader below the horizon skips nothing and sees everything in order."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations import reader
from destinations.lanes import ClaimedLane
from destinations.models import Lane
from destinations.progress import Progress
from destinations.reader import Ask
from ingest.hashing import lane_of
from ingest.models import LANES, Event
from ingest.statements import NewEvent, insert_events
from rudderproj import db
from tests import plugin
from tests.forwarding.workers import eventually, forwarding, run_once
from tests.forwarding.world import World, make_world

USERS = [f"user{number}" for number in range(8)]


@pytest.fixture
def connect(committed: None) -> Iterator[Callable[..., Connection]]:
    opened: list[Connection] = []

    def open_one(*, autocommit: bool = True) -> Connection:
        raw = db.connect("test", 20)
        raw.autocommit = autocommit
        opened.append(raw)
        return raw

    yield open_one
    for raw in opened:
        raw.close()


class Follower:
    """Reads every lane of a connection as a link does, and settles what it reads at once."""

    def __init__(self, raw: Connection, world: World) -> None:
        self._raw = raw
        self._lanes = [
            ClaimedLane(
                lane.pk,
                world.connection.pk,
                world.source.pk,
                lane.number,
                Progress((lane.xid, lane.position), lane.day.isoformat()),
            )
            for lane in Lane.objects.filter(connection=world.connection)
        ]
        self.seen: dict[int, list[str]] = {number: [] for number in range(LANES)}

    def read(self) -> list[str]:
        """What is new below the horizon."""
        events = reader.next_events(self._raw, [Ask.more(lane, 7) for lane in self._lanes])
        for owed in events:
            assert owed.lane.progress.read(owed.place, owed.day)
            owed.lane.progress.deliver(owed.place)
            self.seen[owed.lane.number].append(owed.message_id)
        return [owed.message_id for owed in events]

    def read_all(self, expected: int) -> None:
        """Read until so many events were seen in all."""
        assert eventually(lambda: [self.read()] and sum(map(len, self.seen.values())) >= expected)
        assert self.read() == []


def store(raw: Connection, world: World, user: str, *names: str) -> None:
    insert_events(raw, [world.event(user, name) for name in names])


@pytest.mark.parametrize(("outcome", "expected"), [("commit", ["early", "late"]), ("rollback", ["late"])])
def test_an_earlier_transaction_that_ends_later_is_waited_for(
    world: World, connect: Callable[..., Connection], outcome: str, expected: list[str]
) -> None:
    follower, early = Follower(connect(), world), connect(autocommit=False)
    store(early, world, "u", "early")
    store(connect(), world, "u", "late")
    for _ in range(3):
        assert follower.read() == []

    getattr(early, outcome)()

    follower.read_all(len(expected))
    assert follower.seen[lane_of("u")] == expected


def test_any_transaction_with_an_earlier_xid_holds_the_horizon_and_a_reading_one_does_not(
    world: World, connect: Callable[..., Connection]
) -> None:
    follower, writing, reading = Follower(connect(), world), connect(autocommit=False), connect(autocommit=False)
    with reading.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ingest_event")
    store(connect(), world, "u", "first")
    follower.read_all(1)

    with writing.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
    store(connect(), world, "u", "second")
    assert follower.read() == []
    writing.rollback()
    follower.read_all(2)


def test_rolled_back_savepoints_leave_no_hole_and_no_ghost(world: World, connect: Callable[..., Connection]) -> None:
    follower, raw = Follower(connect(), world), connect(autocommit=False)
    with raw.cursor() as cursor:
        store(raw, world, "u", "kept")
        cursor.execute("SAVEPOINT one")
        store(raw, world, "u", "undone")
        store(connect(), world, "u", "other")
        cursor.execute("ROLLBACK TO SAVEPOINT one")
        cursor.execute("SAVEPOINT two")
    assert follower.read() == []
    raw.commit()
    follower.read_all(2)
    assert follower.seen[lane_of("u")] == ["kept", "other"]


def test_a_prepared_transaction_holds_the_horizon_until_it_is_finished(
    world: World, connect: Callable[..., Connection]
) -> None:
    raw = connect()
    with raw.cursor() as cursor:
        cursor.execute("SHOW max_prepared_transactions")
        if cursor.fetchone() == ("0",) and not plugin.OURS:
            pytest.skip("max_prepared_transactions is 0 in the PostgreSQL that DATABASE_URL names")
        follower = Follower(connect(), world)
        cursor.execute("BEGIN")
        store(raw, world, "u", "prepared")
        cursor.execute("PREPARE TRANSACTION 'test'")
        store(connect(), world, "u", "late")
        assert follower.read() == []
        cursor.execute("COMMIT PREPARED 'test'")
    follower.read_all(2)
    assert follower.seen[lane_of("u")] == ["prepared", "late"]


def test_readers_among_writers_that_interleave_abort_and_dawdle_skip_nothing(
    world: World, connect: Callable[..., Connection]
) -> None:
    follower, done, numbers = Follower(connect(), world), threading.Event(), count()
    chance = random.Random(20261124)

    def write(seed: int) -> None:
        raw, mine = connect(autocommit=False), random.Random(seed)
        for _ in range(40):
            user = mine.choice(USERS)
            with raw.cursor() as cursor:
                if mine.random() < 0.3:
                    cursor.execute("SAVEPOINT s")
                    store(raw, world, user, f"undone{next(numbers)}")
                    done.wait(mine.random() * 0.004)
                    cursor.execute("ROLLBACK TO SAVEPOINT s")
            store(raw, world, user, *(f"e{next(numbers)}" for _ in range(mine.randint(1, 4))))
            done.wait(mine.random() * 0.004)
            (raw.rollback if mine.random() < 0.15 else raw.commit)()

    with ThreadPoolExecutor(6) as pool:
        writers = [pool.submit(write, chance.randrange(10**9)) for _ in range(6)]
        while not all(writer.done() for writer in writers):
            follower.read()
        for writer in writers:
            writer.result()
    follower.read_all(Event.objects.count())

    stored: dict[int, list[str]] = {number: [] for number in range(LANES)}
    for lane, name in Event.objects.order_by("xid", "position").values_list("lane", "message_id"):
        stored[lane].append(name)
    assert follower.seen == stored
    assert not any(name.startswith("undone") for seen in stored.values() for name in seen)


def test_an_event_on_its_way_when_a_connection_is_made_belongs_to_it(
    world: World, connect: Callable[..., Connection]
) -> None:
    store(connect(), world, "u", "before")
    early = connect(autocommit=False)
    store(early, world, "u", "on its way")
    second = make_world(world.sink, "second", source=world.source)
    early.commit()
    store(connect(), world, "u", "after")

    with forwarding([second.destination]):
        assert eventually(lambda: len(world.sink.arrivals) == 2)
    assert world.sink.ids() == ["on its way", "after"]
    assert second.balance()["difference"] == 0


def test_what_was_accepted_before_a_switch_off_or_on_its_way_at_a_switch_on_stays_owed(
    world: World, connect: Callable[..., Connection]
) -> None:
    older, newer = connect(autocommit=False), connect(autocommit=False)
    with older.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
    store(connect(), world, "u", "above the horizon when switched off")
    world.connection.enabled = False
    world.connection.save()
    older.rollback()
    store(connect(), world, "u", "meanwhile")
    store(newer, world, "u", "on its way when switched on")
    world.connection.enabled = True
    world.connection.save()
    newer.commit()

    with forwarding([world.destination]):
        assert eventually(lambda: world.balance()["delivered"] + world.balance()["filtered"] == 3)
    assert world.sink.ids() == ["above the horizon when switched off", "on its way when switched on"]
    assert world.balance()["filtered"] == 1


def test_what_was_accepted_before_a_connection_was_made_is_not_for_it_however_old_a_transaction_is(
    world: World, connect: Callable[..., Connection]
) -> None:
    older = connect(autocommit=False)
    with older.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
    store(connect(), world, "u", "before")
    second = make_world(world.sink, "second", source=world.source)
    store(connect(), world, "u", "after")
    older.rollback()

    with forwarding([second.destination]):
        assert eventually(lambda: second.balance()["delivered"] + second.balance()["filtered"] == 2)
    assert world.sink.ids() == ["after"]
    assert second.balance()["difference"] == 0


def test_what_was_accepted_while_switched_off_stays_so_however_old_a_transaction_is(
    world: World, connect: Callable[..., Connection]
) -> None:
    older = connect(autocommit=False)
    with older.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
    world.connection.enabled = False
    world.connection.save()
    store(connect(), world, "u", "while off")
    world.connection.enabled = True
    world.connection.save()
    store(connect(), world, "u", "after")
    older.rollback()

    with forwarding([world.destination]):
        assert eventually(lambda: world.balance()["delivered"] + world.balance()["filtered"] == 2)
    assert world.sink.ids() == ["after"]
    assert world.balance()["difference"] == 0


def test_links_among_interleaving_producers_deliver_everything_in_order(
    world: World, connect: Callable[..., Connection]
) -> None:
    order_lock, numbers = threading.Lock(), {user: count() for user in USERS}

    def produce(user: str) -> None:
        raw, mine = connect(autocommit=False), random.Random(user)
        for _ in range(30):
            names = [f"{user}-{next(numbers[user])}" for _ in range(mine.randint(1, 3))]
            insert_events(raw, [NewEvent(world.source.pk, *world.event(user, name)[1:]) for name in names])
            threading.Event().wait(mine.random() * 0.003)
            raw.commit()
            with order_lock:
                world.accepted[user].extend(names)

    with forwarding([world.destination], threads=2), ThreadPoolExecutor(len(USERS)) as pool:
        for future in [pool.submit(produce, user) for user in USERS]:
            future.result()
        assert eventually(world.is_settled)

    report = world.report()
    assert report.is_clean, report
    assert report.duplicates == []


def test_a_stalled_horizon_delays_and_loses_nothing(world: World, connect: Callable[..., Connection]) -> None:
    stalling = connect(autocommit=False)
    with stalling.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
    world.append("u", "u0")
    run_once(world.destination)
    assert world.sink.ids() == []
    assert world.balance()["difference"] == 0
    stalling.rollback()
    with forwarding([world.destination]):
        assert eventually(world.is_settled)
