"""What counts as ours, and that nothing else is ever ended."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rudderproj.stack import processes
from rudderproj.stack.datadir import DataDir, open_data_dir


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataDir]:
    opened = open_data_dir(str(tmp_path / "data"))
    yield opened
    opened.close()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "1000"])
    yield process
    process.kill()
    process.wait()


def _record(data: DataDir, pid: int, started: str | None, marker: str) -> None:
    known = {"pid": pid, "started": started, "marker": marker, "at": 0.0}
    (data.run / "web.json").write_text(json.dumps(known))


def _end(data: DataDir) -> int:
    return processes.end_all(data.run, data.marker, patience_seconds=5.0)


def test_a_recorded_pid_with_its_start_time_is_ended(data: DataDir, stranger: subprocess.Popen[bytes]) -> None:
    _record(data, stranger.pid, processes.start_token(stranger.pid), data.marker)
    assert _end(data) == 1
    assert stranger.wait(10) == -15


def test_a_recorded_pid_that_somebody_else_has_now_is_left_alone(
    data: DataDir, stranger: subprocess.Popen[bytes]
) -> None:
    _record(data, stranger.pid, processes.start_token(os.getpid()), data.marker)
    assert _end(data) == 0
    assert stranger.poll() is None


def test_the_processes_of_another_data_folder_are_left_alone(data: DataDir, stranger: subprocess.Popen[bytes]) -> None:
    _record(data, stranger.pid, processes.start_token(stranger.pid), "marker of another folder")
    assert _end(data) == 0
    assert stranger.poll() is None


def test_a_copy_of_a_data_folder_has_another_marker(data: DataDir, tmp_path: Path) -> None:
    shutil.copytree(data.root, tmp_path / "copy")
    copy = open_data_dir(str(tmp_path / "copy"))
    assert copy.secrets == data.secrets
    assert copy.marker != data.marker
    copy.close()


def test_an_orphan_without_record_is_known_by_the_marker_in_its_environment(data: DataDir) -> None:
    # The shell ends at once, so that nobody is the parent of what it started.
    child = subprocess.run(
        ["/bin/sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!"],
        env=os.environ | {processes.MARKER_VARIABLE: f"{data.marker}:forward"},
        capture_output=True,
        text=True,
        check=True,
    )
    pid = int(child.stdout)
    assert processes.ours(data.run, data.marker) == {pid: "forward"}
    assert _end(data) == 1
    assert processes.start_token(pid) is None


def test_a_zombie_counts_as_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert processes.start_token(child.pid) is None
    child.wait()
