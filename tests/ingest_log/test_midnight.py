"""Copies on both sides of midnight go to different partitions, and are stored once all the same."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from ingest.hashing import lane_of
from ingest.models import Event, MidnightKey, Source
from ingest.statements import NewEvent, insert_events, insert_statement
from rudderproj import db
from rudderproj.prepared import Prepared

MIDNIGHT = "((date_trunc('day', now() AT TIME ZONE 'UTC') + interval '1 day') AT TIME ZONE 'UTC')"


def at(seconds: float) -> Prepared:
    """The statement as it runs so long after the next midnight."""
    return insert_statement(f"({MIDNIGHT} + interval '{seconds} seconds')")


@pytest.fixture
def connect(committed: None) -> Iterator[Callable[[], Connection]]:
    opened: list[Connection] = []

    def open_one() -> Connection:
        opened.append(db.connect("test", 10))
        return opened[-1]

    yield open_one
    for raw in opened:
        raw.close()


@pytest.fixture
def events(committed: None) -> list[NewEvent]:
    source = Source.objects.create(name="web", write_key="WK")
    return [NewEvent(source.pk, f"m{number}", lane_of("u"), "u", "{}") for number in range(3)]


@pytest.mark.parametrize(
    ("first", "second"), [(-1, 1), (-59, 59), (-61, 1), (-3600, 61), (-86399, 86399), (-1, -0.5), (1, 2)]
)
def test_a_later_copy_is_dropped_wherever_midnight_lies(
    connect: Callable[[], Connection], events: list[NewEvent], first: float, second: float
) -> None:
    raw = connect()
    assert insert_events(raw, events, at(first)) == 3
    assert insert_events(raw, events, at(second)) == 0
    assert Event.objects.count() == 3


def test_only_ids_within_a_minute_of_midnight_are_noted_apart(
    connect: Callable[[], Connection], events: list[NewEvent]
) -> None:
    raw = connect()
    for number, seconds in enumerate([-61, -60, 59, 60]):
        insert_events(raw, [events[0]._replace(message_id=f"n{number}")], at(seconds))
    assert sorted(MidnightKey.objects.values_list("message_id", flat=True)) == ["n1", "n2"]


@pytest.mark.parametrize(("outcome", "stored_after"), [("commit", 0), ("rollback", 3)])
def test_a_copy_after_midnight_waits_for_the_one_before_that_is_on_its_way(
    connect: Callable[[], Connection], events: list[NewEvent], outcome: str, stored_after: int
) -> None:
    before, after = connect(), connect()
    before.autocommit = False
    assert insert_events(before, events, at(-0.1)) == 3

    with ThreadPoolExecutor(1) as pool:
        copy = pool.submit(insert_events, after, events, at(0.1))
        waiting = db.connect("watch", 10)
        with waiting.cursor() as cursor:
            for _ in range(1000):
                cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND pid = %s", [after.info.backend_pid])
                if cursor.fetchone():
                    break
        waiting.close()
        assert not copy.done()
        getattr(before, outcome)()
        assert copy.result(10) == stored_after

    assert Event.objects.count() == 3
    assert Event.objects.values("day").distinct().count() == 1


def test_copies_racing_on_both_sides_of_midnight_are_stored_once(
    connect: Callable[[], Connection], events: list[NewEvent]
) -> None:
    source_id = events[0].source_id
    batches = [[NewEvent(source_id, f"b{batch}-{number}", 0, "u", "{}") for number in range(20)] for batch in range(30)]
    raws = [connect() for _ in range(4)]
    barrier = threading.Barrier(len(raws))

    def send(turn: int) -> int:
        barrier.wait(10)
        return sum(
            insert_events(raws[turn], batch if turn < 2 else batch[::-1], at(-0.2 if turn % 2 else 0.2))
            for batch in batches
        )

    with ThreadPoolExecutor(len(raws)) as pool:
        stored = sum(pool.map(send, range(len(raws))))

    assert stored == 600
    assert Event.objects.count() == 600
