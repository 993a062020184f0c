"""Upkeep: every chore is tried, one upkeep at a time, and nothing of it is needed for data."""

import io
from contextlib import closing

import psycopg2
import pytest
from django.core.management import call_command
from psycopg2.extensions import connection as Connection  # noqa: N812
from structlog.testing import capture_logs

from ingest import tasks
from rudderproj import db, upkeep
from rudderproj.upkeep import Chore


@pytest.fixture
def chores(committed: None, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No chores but a test's own; the names of those that were done."""
    monkeypatch.setattr(upkeep, "_chores", {})
    monkeypatch.setattr(upkeep, "_idle_at", {})
    return []


def noting(done: list[str], name: str, every_seconds: float = 0.0, count: int = 3) -> Chore:
    def do(_: Connection) -> int:
        done.append(name)
        return count

    return Chore(name, do, lambda _: [f"{name} to be done"], every_seconds)


def failing(raw: Connection) -> int:
    with raw.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")
    return 1


def command(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("upkeep", *arguments, stdout=out, stderr=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_a_chore_that_fails_is_logged_and_the_next_is_done(chores: list[str]) -> None:
    upkeep.register(Chore("bad", failing))
    upkeep.register(noting(chores, "good"))
    with capture_logs() as logs:
        assert upkeep.run() == {"bad": None, "good": 3}
    assert [(line["event"], line["chore"]) for line in logs] == [("upkeep.failed", "bad"), ("upkeep.done", "good")]
    assert "division by zero" in logs[0]["error"]


def test_a_chore_waits_for_a_lock_for_moments_only(chores: list[str], raw: Connection) -> None:
    def blocked(own: Connection) -> int:
        with own.cursor() as cursor:
            cursor.execute("LOCK ingest_tally")
        return 1

    upkeep.register(Chore("blocked", blocked))
    upkeep.register(noting(chores, "good"))
    raw.autocommit = False
    with raw.cursor() as cursor:
        cursor.execute("LOCK ingest_tally")
        assert upkeep.run() == {"blocked": None, "good": 3}
    raw.rollback()


def is_free(raw: Connection) -> bool:
    """Whether another could do the chores now."""
    with raw.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('rudderproj.upkeep'))")
        is_free = cursor.fetchone() == (True,)
        cursor.execute("SELECT pg_advisory_unlock_all()")
        return is_free


def test_only_one_upkeep_works_in_the_deployment(chores: list[str], raw: Connection) -> None:
    free: list[bool] = []

    def look(_: Connection) -> int:
        free.append(is_free(raw))
        return len(free)

    upkeep.register(Chore("first", look))
    upkeep.register(Chore("second", look))
    assert upkeep.run() == {"first": 1, "second": 2}
    assert free == [False, False]
    assert is_free(raw), "the turn is given back"


def test_all_upkeeps_of_a_process_share_a_connection(chores: list[str]) -> None:
    backends: list[int] = []

    def look(raw: Connection) -> int:
        backends.append(raw.info.backend_pid)
        return 1

    upkeep.register(Chore("first", look))
    upkeep.register(Chore("second", look))
    assert [upkeep.run(), upkeep.run()] == [{"first": 1, "second": 1}] * 2
    assert len(backends) == 4
    assert len(set(backends)) == 1


def test_what_a_chore_sets_is_not_there_for_the_next(chores: list[str]) -> None:
    seen: list[tuple[object, ...] | None] = []

    def setting(raw: Connection) -> int:
        with raw.cursor() as cursor:
            cursor.execute("SHOW work_mem")
            seen.append(cursor.fetchone())
            cursor.execute("SET lock_timeout = 0; SET idle_session_timeout = 0; SET work_mem = '64kB'")
        return 1

    def looking(raw: Connection) -> int:
        with raw.cursor() as cursor:
            for name in ("work_mem", "lock_timeout", "idle_session_timeout"):
                cursor.execute(f"SHOW {name}")
                seen.append(cursor.fetchone())
        return 1

    upkeep.register(Chore("setting", setting))
    upkeep.register(Chore("looking", looking))
    assert upkeep.run() == {"setting": 1, "looking": 1}
    assert seen[0] != ("64kB",)
    assert seen[1:] == [seen[0], ("2s",), ("2min",)]


def test_what_a_chore_leaves_open_when_it_is_broken_off_ends_with_the_turn(chores: list[str], raw: Connection) -> None:
    def broken_off(_: Connection) -> int:
        raise KeyboardInterrupt

    upkeep.register(Chore("broken off", broken_off))
    with pytest.raises(KeyboardInterrupt):
        upkeep.run()
    with raw.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext('rudderproj.upkeep'))")  # granted within a statement's time
        assert cursor.rowcount == 1


def test_an_upkeep_that_is_stopped_in_the_middle_loses_its_turn_to_another(
    chores: list[str], raw: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_AS_NEW", "SET idle_session_timeout = '50ms';")

    def sleep_through(own: Connection) -> int:
        with raw.cursor() as cursor:
            # Granted once the server has ended the other session.
            cursor.execute("SELECT pg_advisory_lock(hashtext('rudderproj.upkeep'))")
        with own.cursor() as cursor:
            cursor.execute("SELECT 1")
        return 1

    upkeep.register(Chore("first", sleep_through))
    upkeep.register(noting(chores, "second"))
    assert upkeep.run() == {"first": None}
    assert chores == []


def test_a_costly_chore_that_found_nothing_to_do_is_not_done_at_every_turn(chores: list[str]) -> None:
    upkeep.register(noting(chores, "often", count=0))
    upkeep.register(noting(chores, "seldom", 3600, count=0))
    assert upkeep.run() == {"often": 0, "seldom": 0}
    assert upkeep.run() == {"often": 0}
    assert upkeep.run(due_only=False) == {"often": 0, "seldom": 0}


def test_a_chore_that_found_something_is_done_at_the_next_turn_too(chores: list[str]) -> None:
    upkeep.register(noting(chores, "seldom", 3600))
    assert [upkeep.run(), upkeep.run()] == [{"seldom": 3}] * 2


def test_the_task_takes_a_database_that_is_away(chores: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    upkeep.register(noting(chores, "good"))

    def away(*_: object) -> Connection:
        raise psycopg2.OperationalError("connection refused")

    monkeypatch.setattr(db, "connect", away)
    with capture_logs() as logs:
        tasks.upkeep()
    assert [(line["event"], line["error"]) for line in logs] == [("upkeep.stopped", "connection refused")]


def test_the_command_says_what_was_done_and_what_is_left(chores: list[str]) -> None:
    upkeep.register(noting(chores, "good", 3600))
    assert command() == (0, "good: 3\n  good to be done\n")
    assert command() == (0, "good: 3\n  good to be done\n"), "whenever it is asked"
    upkeep.register(Chore("bad", failing))
    assert command() == (1, "good: 3\n  good to be done\nbad: failed, see the log\n")


def test_a_dry_run_does_nothing(chores: list[str]) -> None:
    upkeep.register(noting(chores, "good"))
    upkeep.register(Chore("idle", failing))
    assert command("--dry-run") == (0, "good:\n  good to be done\nidle:\n  nothing\n")
    assert chores == []


def test_the_command_gives_way_to_another_upkeep(chores: list[str]) -> None:
    upkeep.register(noting(chores, "good"))
    with closing(db.connect("other", 10)) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext('rudderproj.upkeep'))")
        assert command() == (1, "another upkeep is at work\n")
    assert chores == []
