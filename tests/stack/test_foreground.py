"""A stack's life and death: what comes back, what ends, and that nothing is left."""

import contextlib
import http.client
import os
import shutil
import signal
from pathlib import Path

import psutil
import pytest

from .harness import Small, assert_gone, eventually, query, small

pytestmark = pytest.mark.slow


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    return False


def test_sigterm_stops_work_first_and_the_database_last_and_leaves_no_process(tmp_path: Path) -> None:
    with small(tmp_path / "data") as stack:
        stack.started()
        stack.pid("stubborn")
        before = stack.tree()

        code, errors = stack.end(signal.SIGTERM)

        assert (code, errors) == (0, "")
        assert_gone(before)
        log = (tmp_path / "data/logs/supervisord.log").read_text()
        stopped = [name for name in _stopped(log) if name != "dying"]
        assert sorted(stopped[:2]) == ["stubborn", "web"]
        assert stopped[2:] == ["valkey", "postgres"]
        assert "database system is shut down" in (tmp_path / "data/logs/postgres.log").read_text()


def _stopped(log: str) -> list[str]:
    return [line.split("stopped: ")[1].split()[0] for line in log.splitlines() if "stopped: " in line]


def test_a_disk_without_room_for_logs_ends_nothing(tmp_path: Path) -> None:
    logs = tmp_path / "data/logs"
    logs.mkdir(parents=True)
    for name in ("supervisord", "stubborn", "dying"):
        (logs / f"{name}.log").symlink_to("/dev/full")
    with small(tmp_path / "data") as stack:
        stack.started()
        killed = stack.pid("stubborn")
        os.kill(killed, signal.SIGKILL)
        assert stack.other_pid("stubborn", than=killed)

        assert stack.end() == (0, "")


def test_a_stop_leaves_no_process_even_when_the_data_folder_was_removed(tmp_path: Path) -> None:
    with small(tmp_path / "data") as stack:
        stack.started()
        before = stack.tree()
        shutil.rmtree(tmp_path / "data", ignore_errors=True)
        stack.end()
        assert_gone(before)


def test_a_second_ctrl_c_does_not_wait_for_a_stubborn_program(tmp_path: Path) -> None:
    with small(tmp_path / "data", stop_seconds=3600) as stack:
        stack.started()
        stubborn = psutil.Process(stack.pid("stubborn"))
        eventually(stubborn.children)
        before = stack.tree()
        stack.process.send_signal(signal.SIGINT)
        log = tmp_path / "data/logs/supervisord.log"
        eventually(lambda: "waiting for" in log.read_text())

        code, errors = stack.end(signal.SIGINT)

        assert (code, errors) == (0, "")
        assert_gone(before)


def test_a_killed_database_comes_back_with_its_data(tmp_path: Path) -> None:
    with small(tmp_path / "data") as stack:
        url = stack.started()
        query(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        first = stack.pid("postgres")

        os.kill(first, signal.SIGKILL)

        assert stack.other_pid("postgres", than=first) != first
        assert query(url, "SELECT answer FROM kept") == [(42,)]


def test_every_killed_program_comes_back_and_its_orphans_end(tmp_path: Path) -> None:
    with small(tmp_path / "data") as stack:
        stack.started()
        for name in ("valkey", "web", "stubborn"):
            first = stack.pid(name)
            if name == "stubborn":
                orphans = eventually(psutil.Process(first).children)
            os.kill(first, signal.SIGKILL)
            stack.other_pid(name, than=first)

        eventually(lambda: _answers(stack.port))
        eventually(psutil.Process(stack.pid("stubborn")).children)
        assert_gone(orphans)


def test_a_program_that_dies_at_once_is_started_again_for_ever(tmp_path: Path) -> None:
    with small(tmp_path / "data") as stack:
        stack.started()
        log = tmp_path / "data/logs/dying.log"

        # More often than the supervisor's own limit of 3 start retries.
        eventually(lambda: log.exists() and log.read_text().count("died") >= 6)

        said = (tmp_path / "data/logs/supervisord.log").read_text()
        assert "FATAL" not in said
        assert "gave up" not in said


def test_processes_know_their_own_identity(tmp_path: Path) -> None:
    with small(tmp_path / "data") as stack:
        stack.started()
        eventually(lambda: _answers(stack.port))
        assert psutil.Process(stack.pid("web")).environ()["NODE_ID"] == f"{os.uname().nodename}-web-1"


def test_a_killed_supervisor_ends_the_run_with_one_line_and_the_next_starts_clean(tmp_path: Path) -> None:
    with small(tmp_path / "data") as stack:
        query(stack.started(), "CREATE TABLE kept AS SELECT 42 AS answer")
        before = stack.tree()
        os.kill(stack.pid("supervisord"), signal.SIGKILL)

        errors = stack.process.communicate(timeout=60)[1]

        assert stack.process.returncode == 1
        assert errors == "rudderproj: the supervisor ended (killed by signal 9); everything was stopped, start again\n"
        assert_gone(before)
    with small(tmp_path / "data") as stack:
        assert query(stack.started(), "SELECT answer FROM kept") == [(42,)]


def test_what_a_run_killed_with_its_supervisor_left_behind_is_ended_by_the_next(tmp_path: Path) -> None:
    with small(tmp_path / "data") as stack:
        query(stack.started(), "CREATE TABLE kept AS SELECT 42 AS answer")
        eventually(psutil.Process(stack.pid("stubborn")).children)
        supervisor = stack.pid("supervisord")
        left = [process for process in stack.tree() if process.pid != supervisor]
        stack.process.kill()
        os.kill(supervisor, signal.SIGKILL)
        stack.process.communicate(timeout=60)
        assert psutil.Process(stack.recorded()["postgres"]).is_running()

        with small(tmp_path / "data") as second:
            assert query(second.started(), "SELECT answer FROM kept") == [(42,)]
            assert_gone(left)
            errors = second.end()[1]
            assert "that an earlier run left behind" in errors
            assert len(errors.splitlines()) == 1


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux tells a child that its parent was killed")
def test_a_killed_run_takes_its_supervisor_along(tmp_path: Path) -> None:
    with small(tmp_path / "data") as stack:
        stack.started()
        before = stack.tree()
        stack.process.kill()
        stack.process.communicate(timeout=60)
        eventually(lambda: not any(process.is_running() for process in before))


def test_a_second_run_in_the_same_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    with small(tmp_path / "data") as first:
        first.started()
        second = Small(tmp_path / "data", first.port)

        errors = second.process.communicate(timeout=60)[1]

        assert second.process.returncode == 1
        assert errors == (
            f"rudderproj: DATA_DIR {tmp_path / 'data'} is in use by process {first.process.pid}; "
            "stop it or choose another with DATA_DIR=...\n"
        )
        assert first.process.poll() is None


def test_the_stale_pid_file_of_a_pid_that_is_somebody_else_now_is_removed(tmp_path: Path) -> None:
    with small(tmp_path / "data") as stack:
        stack.started()
        stack.end()
    (tmp_path / "data/postgres/18/postmaster.pid").write_text(f"{os.getpid()}\n")
    with small(tmp_path / "data") as stack:
        assert query(stack.started(), "SELECT 1") == [(1,)]


def test_a_start_killed_while_the_cluster_is_made_is_made_good_by_the_next(tmp_path: Path) -> None:
    half = tmp_path / "data/postgres/18.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with small(tmp_path / "data") as stack:
        assert query(stack.started(), "SELECT 1") == [(1,)]
