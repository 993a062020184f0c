"""Dropping days beside readers, inserts and forwarding: nobody waits, and what a kill leaves is finished later."""

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations.models import Connection as Link
from destinations.models import Lane
from ingest import partitions, retention, tally
from ingest.hashing import lane_of
from ingest.statements import insert_events, insert_statement
from rudderproj import db
from tests.docs.pages import ROOT
from tests.forwarding.conftest import sink, world
from tests.forwarding.workers import eventually, forwarding
from tests.forwarding.world import World
from tests.retention.conftest import WriteAgo
from tests.retention.log import counts, days, deliver_all, long_reader

__all__ = ["sink", "world"]

BELOW_HORIZON = "SELECT max(xid) < pg_snapshot_xmin(pg_current_snapshot())::text::bigint FROM ingest_event"
WAITS = "SELECT FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"


def waits(raw: Connection, name: str) -> bool:
    with raw.cursor() as cursor:
        cursor.execute(WAITS, [f"rudderproj {name}"])
        return bool(cursor.rowcount)


def test_inserts_and_the_horizon_go_on_while_a_drop_waits_for_a_reader(
    raw: Connection, link: Link, write_ago: WriteAgo, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("READER_SECONDS", 3600.0), ("LOCK_MILLISECONDS", 60_000), ("STEP_SECONDS", 60)):
        monkeypatch.setattr(partitions, name, value)
    write_ago(link.source, 9, "u")
    tally.roll_up_all(raw)
    deliver_all(link)
    (old, *_) = partitions.attached(raw)
    with closing(db.connect("dropper", 60)) as dropper, ThreadPoolExecutor(1) as pool:
        with long_reader():
            drop = pool.submit(partitions.drop, dropper, old)
            assert eventually(lambda: waits(raw, "dropper"))
            with raw.cursor() as cursor:
                cursor.execute("SET lock_timeout = '1s'")
            for _ in range(3):
                write_ago(link.source, 0, "u", "v")
            partitions.create_ahead(raw)
            deliver_all(link)
            with raw.cursor() as cursor:
                cursor.execute(BELOW_HORIZON)
                assert cursor.fetchone() == (True,), "readers see what was inserted meanwhile"
            assert not drop.done()
        drop.result(30)
    assert days(raw) == [1]
    assert counts(link) == {"accepted": 7, "delivered": 7}


def test_days_go_while_their_last_events_are_forwarded_and_new_ones_come(world: World, raw: Connection) -> None:
    with raw.cursor() as cursor:
        for age in (9, 8, 7):
            cursor.execute("SELECT ingest_event_partition((now() AT TIME ZONE 'UTC')::date - %s)", [age])
        cursor.execute("UPDATE ingest_tally SET day = day - 9")
    Lane.objects.update(day=partitions.today(raw).replace(year=2020))
    for age in (9, 8, 7):
        for number in range(20):
            users = [f"u{user}" for user in range(10)]
            events = [world.event(user, f"{user}-{age}-{number}") for user in users]
            insert_events(raw, events, insert_statement(f"(now() - interval '{age} days')", may_go_back=True))
            for user, event in zip(users, events, strict=True):
                world.accepted[user].append(event.message_id)
    accepted = 600
    stopping = threading.Event()

    def drop() -> int:
        with closing(db.connect("dropper", 30)) as own:
            with own.cursor() as cursor:
                cursor.execute("SET lock_timeout = '500ms'")
            dropped = 0
            while not stopping.wait(0.01):
                tally.roll_up_all(own)
                dropped += retention.drop_old(own)
            return dropped + retention.drop_old(own)

    with ThreadPoolExecutor(1) as pool:
        dropping = pool.submit(drop)
        with forwarding([world.destination], threads=2):
            for number in range(30):
                world.append(f"u{number % 10}", f"new-{number}")
                accepted += 1
            assert eventually(lambda: len(world.sink.arrivals) >= accepted)
            assert eventually(lambda: counts(world.connection) == {"accepted": accepted, "delivered": accepted})
            assert eventually(lambda: days(raw) == [1])
        stopping.set()
        assert dropping.result(30) == 3
    report = world.report()
    assert (report.lost, report.duplicates, report.out_of_order) == ([], [], [])
    assert counts(world.connection) == {"accepted": accepted, "delivered": accepted}


@pytest.mark.slow
def test_a_command_that_is_killed_in_the_middle_is_finished_by_the_next(
    raw: Connection, link: Link, write_ago: WriteAgo, process_env: dict[str, str]
) -> None:
    users = [f"u{number}" for number in range(40)]
    for age in (9, 8):
        write_ago(link.source, age, *users)
    tally.roll_up_all(raw)
    command = [sys.executable, "manage.py", "upkeep"]
    environment = process_env | {"RETENTION_DAYS": "5", "RETENTION_POLICY": "drop"}
    with closing(db.connect("blocker", 60)) as blocker:
        blocker.autocommit = False
        with blocker.cursor() as cursor:
            cursor.execute("SET idle_in_transaction_session_timeout = 0")  # a busy machine takes long to start one
            cursor.execute("SELECT FROM destinations_lane WHERE number = %s FOR UPDATE", [lane_of("u20")])
            with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
                assert eventually(lambda: waits(raw, "upkeep"))
                process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert eventually(lambda: not waits(raw, "upkeep"))
        blocker.rollback()
    half = counts(link)
    assert 0 < half["pending"] < 80
    assert half == {"accepted": 80, "pending": half["pending"], "skipped": 80 - half["pending"]}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert "partitions_dropped: 2\n" in done.stdout
    assert days(raw) == [1]
    assert all(table.is_attached for table in partitions.tables(raw))
    assert counts(link) == {"accepted": 80, "skipped": 80}
