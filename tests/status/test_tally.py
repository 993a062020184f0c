"""Rolling up: exact whenever and however often it is done, and in steps."""

import random
from contextlib import closing
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from ingest import tally
from ingest.models import Event, Milestone, Source, Tally
from ingest.tasks import upkeep
from rudderproj import db
from rudderproj import upkeep as chores
from tests.race import together

Write = Any


def in_log(source: Source) -> list[int]:
    return [Event.objects.filter(source_id=source.pk, lane=lane).count() for lane in range(64)]


def test_a_tally_is_what_the_log_holds_below_the_horizon(raw: Connection, source: Source, write: Write) -> None:
    write(source, [0, 0, 63])
    with closing(db.connect("open", 30)) as open_:
        open_.autocommit = False
        write(source, [5], open_)
        write(source, [7])  # settled only together with the open one before it
        assert tally.roll_up_all(raw) == 3
        open_.commit()
    assert tally.roll_up_all(raw) == 2
    assert tally.roll_up_all(raw) == 0
    found = Tally.objects.get(source=source)
    assert found.by_lane == in_log(source)
    assert found.accepted == sum(found.by_lane) == 5


def test_a_long_backlog_is_rolled_up_in_steps_with_milestones_on_the_way(
    raw: Connection, source: Source, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "STEP_EVENTS", 3)
    monkeypatch.setattr(tally, "MILESTONE_EVENTS", 10)
    chance = random.Random(5)
    for _ in range(40):
        write(source, chance.choices([1, 2, 3, 60], k=chance.randint(1, 6)))
    total = Event.objects.count()
    assert tally.roll_up_all(raw) == total
    assert Tally.objects.get(source=source).by_lane == in_log(source)
    milestones = list(Milestone.objects.order_by("xid"))
    assert len(milestones) >= 3
    for milestone in milestones:
        below = Event.objects.filter(xid__lt=milestone.xid)
        assert milestone.accepted == sum(milestone.by_lane) == below.count()
        assert milestone.by_lane[60] == below.filter(lane=60).count()


def test_one_transaction_larger_than_a_step_does_not_stop_it(
    raw: Connection, source: Source, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "STEP_EVENTS", 3)
    write(source, [4] * 20)
    write(source, [4])
    assert tally.roll_up_all(raw) == 21


def test_sources_do_not_count_each_others_events(raw: Connection, source: Source, write: Write) -> None:
    other = Source.objects.create(name="app", write_key="k2")
    write(source, [1])
    write(other, [1, 1])
    tally.roll_up_all(raw)
    assert dict(Tally.objects.values_list("source__name", "accepted")) == {"web": 1, "app": 2}


def test_two_who_roll_up_at_once_count_nothing_twice(source: Source, write: Write) -> None:
    def roll_up() -> int:
        with closing(db.connect("race", 30)) as own:
            return tally.roll_up_all(own)

    for _ in range(5):
        write(source, list(range(64)) * 5)
        together([roll_up] * 4)
    assert Tally.objects.get(source=source).by_lane == in_log(source)


def test_upkeep_rolls_up_and_makes_partitions(raw: Connection, source: Source, write: Write) -> None:
    write(source, [9])
    with raw.cursor() as cursor:
        cursor.execute("SELECT 'ingest_event_' || to_char((now() AT TIME ZONE 'UTC')::date + 2, 'YYYYMMDD')")
        (ahead,) = cursor.fetchone() or ("",)
        cursor.execute(f"DROP TABLE {ahead}")
        upkeep()
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [ahead])
        assert cursor.fetchone() == (True,)
    assert Tally.objects.get(source=source).accepted == 1


def test_a_chore_that_fails_does_not_stop_the_others(
    raw: Connection, source: Source, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "_idle_at", {})  # other tests had some done
    write(source, [9])
    with raw.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ingest_midnight_key VALUES (1, 'old', now() - interval '2 hours'), (1, 'new', now())"
        )
        cursor.execute("ALTER TABLE ingest_milestone RENAME TO gone")
        try:
            upkeep()
            cursor.execute("SELECT message_id FROM ingest_midnight_key WHERE message_id IN ('old', 'new')")
            assert cursor.fetchall() == [("new",)]
        finally:
            cursor.execute("ALTER TABLE gone RENAME TO ingest_milestone")
    upkeep()
    assert Tally.objects.get(source=source).accepted == 1
