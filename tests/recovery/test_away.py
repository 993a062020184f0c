"""The database is away while processes start, crash and stop: nothing is counted wrong, and nobody waits long."""

import signal
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from alerts import modes, recovery
from alerts.models import Crash, Life, Mode
from tests.recovery.crashes import database_now
from tests.recovery.gate import Gate, gate
from tests.recovery.guards import EXITS, FINE, SEGFAULT, SLEEPS, Guarded, eventually, guarded

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("committed")]


@pytest.fixture
def way(process_env: dict[str, str]) -> Iterator[Gate]:
    with gate(process_env["DATABASE_URL"]) as found:
        yield found


@pytest.fixture
def one(process_env: dict[str, str], way: Gate, tmp_path: Path) -> Iterator[Guarded]:
    Mode.objects.update(since=database_now() - timedelta(hours=1))
    with guarded(process_env | {"DATABASE_URL": way.url}, tmp_path / "data") as found:
        yield found


def counted() -> int:
    return sum(found.recent for found in recovery.restarts())


def test_away_at_the_start_it_is_told_of_the_start_later(one: Guarded, way: Gate) -> None:
    way.close()
    one.up()
    assert not Life.objects.exists()
    way.open()
    assert eventually(lambda: Life.objects.first()) is not None
    assert one.end(signal.SIGTERM) == 143
    assert (Life.objects.get().end, Crash.objects.count()) == ("asked", 0)


def test_a_database_that_does_not_answer_delays_a_start_by_seconds_only(one: Guarded, way: Gate) -> None:
    way.is_silent = True
    started = time.monotonic()
    one.up()
    assert time.monotonic() - started < 8  # two and a half, on a machine with time


def test_away_at_the_crash_the_crash_is_told_later_with_its_time(one: Guarded, way: Gate) -> None:
    way.close()
    before = database_now()
    assert one.run(SEGFAULT)[0] == 139
    after = database_now()
    assert [record["do"] for record in one.spooled()] == ["start", "crash", "end"]
    assert not Crash.objects.exists()

    way.open()
    one.run(FINE)
    crash = Crash.objects.get()
    assert before <= crash.at <= after
    assert crash.restarted_at is not None
    assert crash.restarted_at >= after
    assert (counted(), one.spooled()) == (1, [])


def test_away_at_the_stop_nothing_is_counted(one: Guarded, way: Gate) -> None:
    one.up()
    way.close()
    assert one.end(signal.SIGTERM) == 143
    assert Life.objects.get().end == ""
    way.open()
    one.run(FINE)
    assert (Life.objects.get().end, Crash.objects.count()) == ("clean", 0)


def test_away_at_the_stop_and_killed_after_the_grace_period_nothing_is_counted(one: Guarded, way: Gate) -> None:
    program = one.up(f"import signal; signal.signal(15, signal.SIG_IGN); {SLEEPS}")
    way.close()
    assert one.process
    one.process.terminate()
    eventually(lambda: [record["do"] for record in one.spooled()] == ["end"])
    assert program.is_running()
    one.kill_group()
    way.open()
    one.run(FINE)
    assert not Crash.objects.exists()


def test_a_loop_of_crashes_while_it_is_away_stops_forwarding_when_it_is_back(one: Guarded, way: Gate) -> None:
    way.close()
    for _ in range(5):
        assert one.run(EXITS)[0] == 7
    assert modes.current().mode == "normal"
    way.open()
    show = f"print('up', flush=True); {FINE}"
    one.run(show)
    assert (counted(), Crash.objects.count(), modes.current().mode) == (5, 5, "degraded")


@pytest.mark.parametrize("jump", [-86_400, 86_400])
def test_a_wall_clock_that_jumps_moves_no_crash(one: Guarded, way: Gate, jump: int) -> None:
    command = (
        "import sys, time; real = time.time; time.time = lambda: real() + JUMP;"
        "from rudderproj.guard.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    way.close()
    before = database_now()
    one.run(EXITS, sys.executable, "-c", command.replace("JUMP", "0"))
    way.open()
    one.run(FINE, sys.executable, "-c", command.replace("JUMP", str(jump)))
    crash = Crash.objects.get()
    assert before <= crash.at <= crash.restarted_at <= database_now()  # type: ignore[operator]
    assert crash.uptime_seconds is not None
    assert 0 <= crash.uptime_seconds < 60
    assert counted() == 1
