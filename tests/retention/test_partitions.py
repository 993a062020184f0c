"""Old days are dropped whole, step by step, and nothing else is."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date

import pytest
from django.conf import settings
from psycopg2.extensions import connection as Connection  # noqa: N812
from structlog.testing import capture_logs

from destinations.models import Connection as Link
from ingest import partitions, retention, tally
from ingest.models import Event, Milestone, Source
from rudderproj import db
from tests.retention.conftest import WriteAgo
from tests.retention.log import counts, days, deliver_all, long_reader


def names(raw: Connection) -> list[str]:
    return [table.name for table in partitions.tables(raw)]


@contextmanager
def as_guest(raw: Connection) -> Iterator[None]:
    """A role that may read, and owns nothing."""
    with raw.cursor() as cursor:
        cursor.execute("CREATE ROLE guest; GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest; SET ROLE guest")
        try:
            yield
        finally:
            cursor.execute("RESET ROLE; DROP OWNED BY guest; DROP ROLE guest")


def test_days_older_than_the_retention_go_and_no_others(raw: Connection, source: Source, write_ago: WriteAgo) -> None:
    for age in (40, 7, 6, 5, 4, 1, 0):
        write_ago(source, age, "u")
    tally.roll_up_all(raw)
    with capture_logs() as logs:
        assert retention.drop_old(raw) == 3
    assert days(raw) == [5, 4, 1]
    assert Event.objects.count() == 4
    assert [line["event"] for line in logs] == ["partition.dropped"] * 3
    assert retention.drop_old(raw) == 0
    assert len(names(raw)) == len(partitions.attached(raw)), "no table is left behind"


def test_yesterday_stays_however_short_the_retention(
    raw: Connection, source: Source, write_ago: WriteAgo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.ENV, "RETENTION_DAYS", 1)
    for age in (2, 1):
        write_ago(source, age, "u")
    tally.roll_up_all(raw)
    assert retention.drop_old(raw) == 1
    assert days(raw) == [1]


def test_what_no_tally_holds_yet_is_not_dropped(raw: Connection, source: Source, write_ago: WriteAgo) -> None:
    write_ago(source, 9, "u")
    with capture_logs() as logs:
        assert retention.drop_old(raw) == 0
    assert [(line["event"], line["because"]) for line in logs] == [("partition.kept", "not tallied yet")]
    assert retention.look(raw)[0].endswith("kept: not tallied yet")
    tally.roll_up_all(raw)
    assert retention.drop_old(raw) == 1


def test_a_long_reader_is_not_waited_for_and_named(
    raw: Connection, source: Source, write_ago: WriteAgo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "READER_SECONDS", 0.0)
    write_ago(source, 9, "u")
    tally.roll_up_all(raw)
    with long_reader() as reader, capture_logs() as logs:
        assert retention.drop_old(raw) == 0
        assert [line["event"] for line in logs] == ["partition.drop_waited"]
        assert logs[0]["because"].startswith(f"rudderproj reader (pid {reader.info.backend_pid}), reading since 20")
        assert days(raw) == [9, 1], "it is not even begun"
    assert retention.drop_old(raw) == 1


def test_a_reader_of_another_role_is_not_waited_for_although_its_age_is_hidden(
    raw: Connection, source: Source, write_ago: WriteAgo
) -> None:
    write_ago(source, 9, "u")
    tally.roll_up_all(raw)
    with long_reader() as reader:
        with as_guest(raw), capture_logs() as logs:
            assert retention.drop_old(raw) == 0
        who = f"rudderproj reader (pid {reader.info.backend_pid}), reading, for how long is hidden"
        assert [(line["event"], line["because"]) for line in logs] == [("partition.drop_waited", who)]
        assert days(raw) == [9, 1], "it is not even begun"
    assert retention.drop_old(raw) == 1


def test_sessions_that_are_idle_between_short_statements_are_no_readers(raw: Connection, source: Source) -> None:
    """What a session does is looked at first, and what it has locked a moment later."""
    ended = threading.Event()

    def ask() -> None:
        with closing(db.connect("short", 30)) as own, own.cursor() as cursor:
            while not ended.is_set():
                cursor.execute("SELECT FROM ingest_event LIMIT 1")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        found = [partitions._reader(raw, partitions.tables(raw)[0]) for _ in range(300)]
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert set(found) == {None}


def test_a_reader_that_came_a_moment_before_is_waited_for_another_time(
    raw: Connection, link: Link, write_ago: WriteAgo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "READER_SECONDS", 3600.0)
    write_ago(link.source, 9, "u")
    write_ago(link.source, 8, "v")
    tally.roll_up_all(raw)
    deliver_all(link)
    with raw.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        usual = cursor.fetchone()
    with long_reader() as reader:
        with capture_logs() as logs:
            assert retention.drop_old(raw) == 0
        assert [line["because"] for line in logs] == ["canceling statement due to lock timeout"]
        assert days(raw) == [8, 1], "no new reader sees the day any more"
        assert counts(link) == {"accepted": 2, "delivered": 2}
        assert retention.look(raw)[0].endswith("to be dropped: taken off the log already")
        assert retention.drop_old(raw) == 0, "the reader is still there"
        with reader.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM ingest_event")
            assert cursor.fetchone() == (2,), "and sees what it saw"
    assert retention.drop_old(raw) == 2
    assert days(raw) == [1]
    assert counts(link) == {"accepted": 2, "delivered": 2}
    with raw.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == usual


def test_a_drop_that_had_only_been_meant_is_done(raw: Connection, source: Source, write_ago: WriteAgo) -> None:
    write_ago(source, 9, "u")
    tally.roll_up_all(raw)
    partitions._note(raw, partitions.attached(raw)[0].name, partitions.DROPPING)
    assert partitions.unfinished(raw) == []
    assert retention.drop_old(raw) == 1


def test_a_table_that_is_off_the_log_already_is_dropped(raw: Connection, source: Source, write_ago: WriteAgo) -> None:
    write_ago(source, 9, "u")
    tally.roll_up_all(raw)
    (old, *_) = partitions.attached(raw)
    with raw.cursor() as cursor:
        cursor.execute(f"COMMENT ON TABLE {old.name} IS '{partitions.DROPPING}'")
        cursor.execute(f"ALTER TABLE ingest_event DETACH PARTITION {old.name}")
    assert retention.drop_old(raw) == 1
    assert old.name not in names(raw)


def test_a_table_that_somebody_else_took_off_the_log_is_left_alone(
    raw: Connection, source: Source, write_ago: WriteAgo
) -> None:
    write_ago(source, 9, "u")
    tally.roll_up_all(raw)
    (old, *_) = partitions.attached(raw)
    with raw.cursor() as cursor:
        cursor.execute(f"ALTER TABLE ingest_event DETACH PARTITION {old.name}")
    assert retention.drop_old(raw) == 0
    assert old.name in names(raw)


def test_a_role_that_does_not_own_the_log_is_told_so(raw: Connection, source: Source, write_ago: WriteAgo) -> None:
    write_ago(source, 9, "u")
    tally.roll_up_all(raw)
    with as_guest(raw), capture_logs() as logs:
        assert retention.drop_old(raw) == 0
    assert [(line["event"], line["hint"]) for line in logs] == [("partition.drop_refused", retention.NOT_OWNER)]
    assert "must be owner" in logs[0]["error"]


def test_closed_days_are_frozen_once(raw: Connection, source: Source, write_ago: WriteAgo) -> None:
    for age in (3, 2, 1, 0):
        write_ago(source, age, *"abcdef")
    assert len(partitions.to_freeze(raw)) == 2
    assert [partitions.freeze_one(raw) for _ in range(3)] == [1, 1, 0]
    assert partitions.to_freeze(raw) == []
    frozen = [table for table in partitions.attached(raw) if table.note == partitions.FROZEN]
    with raw.cursor() as cursor:
        for table in frozen:
            cursor.execute(f"SELECT relallvisible = relpages, reltuples FROM pg_class WHERE relname = '{table.name}'")
            assert cursor.fetchone() == (True, 6.0)
    assert len(frozen) == 2


def test_freezing_that_takes_too_long_goes_on_another_time(
    raw: Connection, source: Source, write_ago: WriteAgo, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ago(source, 3, "u")
    with closing(db.connect("other", 10)) as other:
        other.autocommit = False
        with other.cursor() as cursor, monkeypatch.context() as patched:
            cursor.execute(f"LOCK TABLE {partitions.attached(raw)[0].name} IN SHARE UPDATE EXCLUSIVE MODE")
            patched.setattr(partitions, "FREEZE_SECONDS", 0.05)
            assert partitions.freeze_one(raw) == 0
        other.rollback()
    assert partitions.freeze_one(raw) == 1


def test_milestones_from_before_the_oldest_day_go_and_the_counts_stay(
    raw: Connection, link: Link, write_ago: WriteAgo, monkeypatch: pytest.MonkeyPatch, today: date
) -> None:
    monkeypatch.setattr(tally, "STEP_EVENTS", 3)
    monkeypatch.setattr(tally, "MILESTONE_EVENTS", 5)
    for age in (9, 8, 7, 4, 3):
        for _ in range(10):
            write_ago(link.source, age, "u", "v")
            if age == 9:
                tally.roll_up_all(raw)
        with raw.cursor() as cursor:
            cursor.execute("UPDATE ingest_milestone SET day = %s - 9 WHERE day = %s", [today, today])
    tally.roll_up_all(raw)
    old = Milestone.objects.filter(day__lt=today).count()
    deliver_all(link)
    for _ in range(3):
        write_ago(link.source, 2, "u")
    before = counts(link)
    assert before == {"accepted": 103, "delivered": 100, "pending": 3}
    assert old == 3
    assert retention.drop_old(raw) == 3
    assert Milestone.objects.filter(day__lt=today).count() == 0
    assert Milestone.objects.count() > 0
    assert counts(link) == before
    tally.roll_up_all(raw)
    assert counts(link) == before


def test_the_last_milestone_of_a_source_stays(raw: Connection, source: Source, today: date) -> None:
    for xid in (5, 6):
        Milestone.objects.create(source=source, xid=xid, accepted=xid, by_lane=[0] * 64, day=date(2020, 1, 1))
    assert tally.prune_milestones(raw, today) == 1
    assert Milestone.objects.get().xid == 6
