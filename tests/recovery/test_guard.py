"""Guards around programs that really die: what counts as a restart after a crash, and what does not."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from alerts import modes, recovery
from alerts.models import Crash, Incident, Life, ModeChange
from rudderproj import flight
from tests.recovery.guards import EXITS, FINE, KILLED, RAISES, SEGFAULT, SLEEPS, STUBBORN, Guarded, eventually, guarded

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("committed")]


@pytest.fixture
def one(process_env: dict[str, str], tmp_path: Path) -> Iterator[Guarded]:
    with guarded(process_env, tmp_path / "data") as found:
        yield found


def counted() -> int:
    return sum(found.recent for found in recovery.restarts())


@pytest.mark.parametrize(
    ("program", "status", "how", "traceback"),
    [
        (SEGFAULT, 139, "SIGSEGV", "Fatal Python error: Segmentation fault"),
        (KILLED, 137, "SIGKILL", ""),
        (EXITS, 7, "", ""),
        (RAISES, 1, "", "Traceback (most recent call last):"),
    ],
)
def test_a_crash_is_reported_at_once_and_counts_when_the_process_comes_back(
    one: Guarded, program: str, status: int, how: str, traceback: str
) -> None:
    assert one.run(f"print('last words', flush=True); {program}")[0] == status
    crash = Crash.objects.get()
    assert (crash.role, crash.node, crash.kind, crash.restarted_at) == ("forward", "n-1", "process", None)
    assert (crash.signal, crash.exit_status) == (how, None if how else status)
    assert (crash.is_oom, crash.in_flight, crash.mode, crash.explained) == (False, [], "normal", "")
    assert crash.traceback.partition("\n")[0] == traceback
    assert crash.log.startswith("last words\n")
    assert crash.environment["versions"]["python"] == sys.version.split()[0]
    assert counted() == 0
    assert Life.objects.get().end == "crashed"

    assert one.run(FINE)[0] == 0
    assert Crash.objects.get().restarted_at is not None
    assert counted() == 1
    assert Life.objects.get().end == "clean"

    one.run(FINE)
    assert counted() == 1


def test_a_first_start_and_ends_in_order_count_nothing(one: Guarded) -> None:
    for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 143)):
        one.up(SLEEPS.replace("import time;", "import time, signal; signal.signal(2, signal.SIG_DFL);"))
        assert one.end(number) == status
        assert Life.objects.get().end == "asked"
    one.run(FINE)
    one.run(FINE)
    assert not Crash.objects.exists()


def test_a_process_told_to_stop_by_its_own_pid_has_not_crashed(one: Guarded) -> None:
    one.up().terminate()
    assert one.process
    assert one.process.wait(30) == 143
    one.run(FINE)
    assert not Crash.objects.exists()


def test_a_kill_after_the_grace_period_of_an_asked_for_stop_counts_nothing(one: Guarded) -> None:
    program = one.up(STUBBORN)
    assert one.process
    one.process.terminate()
    eventually(lambda: Life.objects.get().end == "asked")
    assert program.is_running()
    one.kill_group()
    one.run(FINE)
    assert not Crash.objects.exists()


def test_killed_together_with_its_guard_it_counts_once_and_leaves_what_it_held(one: Guarded) -> None:
    program = one.up("from rudderproj import flight; import os; f = flight.Flight(flight.path_of(os.getpid()));"
                     f"f.take_event(7, 3, 5, 0, 99, 2); {SLEEPS}")  # fmt: skip
    one.kill_group()
    eventually(lambda: not program.is_running())
    assert not Crash.objects.exists()
    assert len(list(one.folder.glob("flight-*"))) == 1

    one.run(FINE)
    crash = Crash.objects.get()
    assert (crash.kind, crash.restarted_at is not None, crash.exit_status) == ("process", True, None)
    assert crash.in_flight == [
        {"destination": 7, "connection": 3, "lane": 5, "replay": 0, "xid": 99, "position": 2}
    ]  # fmt: skip
    assert crash.log == "up\n"
    assert crash.suspected_until is not None  # its event is looked into first
    assert counted() == 0
    Crash.objects.update(suspected_until=crash.at)
    assert counted() == 1
    assert flight.read(one.folder / "flight-1") == []
    assert list(one.folder.glob("flight-*")) == []


def test_the_guarded_process_does_not_outlive_a_killed_guard(one: Guarded) -> None:
    program = one.up()
    one.end(signal.SIGKILL)
    eventually(lambda: not program.is_running() or program.status() == psutil.STATUS_ZOMBIE)
    one.run(FINE)
    assert counted() == 1


def test_another_run_is_no_restart(one: Guarded) -> None:
    one.run(SEGFAULT)
    one.run(FINE, RUN_ID="another")
    assert counted() == 0
    one.run(SEGFAULT, RUN_ID="another")
    one.run(FINE, RUN_ID="another")
    assert counted() == 1


def test_another_boot_of_the_machine_is_no_restart(one: Guarded, tmp_path: Path) -> None:
    boot = tmp_path / "boot_id"
    command = (
        f"import pathlib, sys; from rudderproj.guard import clock; clock._BOOT_ID = pathlib.Path({str(boot)!r});"
        "from rudderproj.guard.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    boot.write_text("one")
    one.run(SEGFAULT, sys.executable, "-c", command)
    boot.write_text("two")
    one.run(FINE, sys.executable, "-c", command)
    assert counted() == 0
    one.run(EXITS, sys.executable, "-c", command)
    one.run(FINE, sys.executable, "-c", command)
    assert counted() == 1


def test_the_exit_status_and_the_output_pass_through(one: Guarded) -> None:
    status, output = one.run("import sys; print('x' * 200_000); print('err', file=sys.stderr); sys.exit(3)")
    assert status == 3
    assert output.replace("\n", "") in ("x" * 200_000 + "err", "err" + "x" * 200_000)


def test_the_process_finds_its_identity_and_its_folder(one: Guarded) -> None:
    show = "import os; print(os.environ['NODE_ID'], os.environ['LIFE_DIR'], os.environ['PYTHONFAULTHANDLER'])"
    assert one.run(show) == (0, f"n-1 {one.folder} 1\n")


def test_two_of_a_role_on_one_host_have_identities_of_their_own(process_env: dict[str, str], tmp_path: Path) -> None:
    with guarded(process_env, tmp_path, node="") as first, guarded(process_env, tmp_path, node="") as second:
        first.up()
        second.up()
        host = os.uname().nodename
        assert sorted(Life.objects.values_list("node", flat=True)) == [f"{host}-forward-1", f"{host}-forward-2"]


def test_an_identity_that_somebody_lives_under_is_not_taken_for_crashed(
    one: Guarded, process_env: dict[str, str]
) -> None:
    one.up()
    with guarded(process_env, one.data) as second:
        status, output = second.run(FINE)
    assert (status, output.startswith("rudderproj: another process lives as n-1")) == (0, True)
    one.end(signal.SIGTERM)
    one.run(FINE)
    assert not Crash.objects.exists()


def test_where_nothing_can_be_written_the_database_remembers(one: Guarded) -> None:
    one.data.write_text("a file, where the folder should be")
    status, output = one.run(SEGFAULT)
    assert status == 139
    assert "only the database remembers this process" in output
    one.run(FINE)
    assert counted() == 1
    one.up()
    one.kill_group()
    one.run(FINE)
    assert counted() == 2
    one.up()
    one.end(signal.SIGTERM)
    one.run(FINE)
    assert (counted(), Crash.objects.count()) == (2, 2)


def test_a_signal_for_reopening_files_is_passed_on_and_asks_for_nothing(one: Guarded) -> None:
    one.up(f"import signal, os; signal.signal(signal.SIGUSR1, lambda *_: os._exit(9)); {SLEEPS}")
    assert one.end(signal.SIGUSR1) == 9
    assert Crash.objects.get().exit_status == 9


def test_the_fifth_restart_stops_forwarding_before_the_process_begins_again(one: Guarded) -> None:
    show = "import psycopg2, os; c = psycopg2.connect(os.environ['DATABASE_URL']).cursor(); " + (
        "c.execute('SELECT mode FROM alerts_mode'); print(c.fetchone()[0], flush=True); os._exit(1)"
    )
    said = [one.run(show)[1] for _ in range(6)]
    assert [line.split()[-1] for line in said] == ["normal"] * 5 + ["degraded"]
    assert (modes.current().reason, modes.current().actor) == ("5 restarts of n-1 in 300 s", "recovery")
    assert len(ModeChange.objects.get().crashes) == 5


@pytest.mark.parametrize("role", ["web", "alerts"])
def test_another_role_stops_nothing_and_its_guard_opens_the_incident(
    process_env: dict[str, str], tmp_path: Path, role: str
) -> None:
    with guarded(process_env, tmp_path, role=role) as one:
        for _ in range(5):
            one.run(EXITS)
        assert not Incident.objects.exists()
        one.run(EXITS)
        incident = Incident.objects.get()
        assert (incident.key, incident.severity) == (f"crash_loop:{role}:n-1", "critical")
        assert incident.details["restarts"] == 5
        recovery.evaluate()
        assert (counted(), modes.current().mode) == (5, "normal")
        assert [(loop.role, loop.node) for loop in recovery.loops()] == [(role, "n-1")]
