"""Pool processes of a real worker: which of their ends are crashes."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from celery.concurrency.prefork import TaskPool

from alerts import recovery
from alerts.models import Crash
from alerts.recovery import children
from alerts.recovery.pool import WatchedPool
from rudderproj import flight
from rudderproj.celery import FORWARD_QUEUE
from rudderproj.guard import clock
from tests.recovery import dying
from tests.recovery.guards import eventually
from tests.services import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("committed")]


class Worker:
    """One forwarding worker with its guard."""

    def __init__(self, environ: dict[str, str], data: Path, *options: str) -> None:
        self._log = data / "worker.log"
        dying.app.control.purge()
        command = [
            *(sys.executable, "-m", "rudderproj.guard", "--role", "forward", "--", sys.executable, "-m", "celery"),
            *("-A", "tests.recovery.dying", "worker", "-Q", "forward", "-n", "dying@%h", "--pool", "prefork"),
            *("-O", "fair", "--without-gossip", "--without-mingle", *options),
        ]
        with self._log.open("wb") as output:
            self.guard = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environ | {"DATA_DIR": str(data), "NODE_ID": "w-1", "AUTOSCALE_KEEPALIVE": "1"},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.folder = data / "lives" / "forward-w-1"
        eventually(lambda: b"ready" in self._log.read_bytes())
        self.main = psutil.Process(self.guard.pid).children()[0]

    def children(self) -> list[psutil.Process]:
        return self.main.children()

    def ask(self, task: str, argument: float, times: int = 1) -> None:
        for _ in range(times):
            dying.app.send_task(f"dying.{task}", [argument], queue=FORWARD_QUEUE)

    def stop(self) -> int:
        self.guard.terminate()
        return self.guard.wait(30)

    def close(self) -> None:
        if self.guard.poll() is None:
            os.killpg(self.guard.pid, signal.SIGKILL)
            self.guard.wait(30)


@pytest.fixture
def worker(process_env: dict[str, str], tmp_path: Path) -> Iterator[Worker]:
    found = Worker(process_env, tmp_path, "-c", "1")
    yield found
    found.close()


def test_a_dead_pool_process_is_one_crash_with_what_it_held_and_counts_when_nothing_explains_it(worker: Worker) -> None:
    first = worker.children()[0]
    worker.ask("segfault", 5)
    crash = eventually(lambda: Crash.objects.first())
    assert crash is not None
    assert (crash.role, crash.node, crash.kind, crash.pid, crash.signal) == (
        "forward",
        "w-1",
        "child",
        first.pid,
        "SIGSEGV",
    )
    assert crash.in_flight == [{"destination": 7, "connection": 3, "lane": 5, "replay": 0, "xid": 99, "position": 5}]
    assert crash.traceback.startswith("Fatal Python error: Segmentation fault")
    assert "in segfault" in crash.traceback
    assert "ready" in crash.log
    assert crash.restarted_at == crash.at
    assert recovery.restarts() == []  # its event is looked into first
    assert crash.suspected_until is not None
    Crash.objects.update(suspected_until=crash.at)
    assert [(found.node, found.recent) for found in recovery.restarts()] == [("w-1", 1)]
    eventually(lambda: [child.pid for child in worker.children()] != [first.pid])
    eventually(lambda: {path.name for path in worker.folder.glob("f*-*")} == {f"fault-{worker.children()[0].pid}"})

    worker.ask("exit", 9)
    eventually(lambda: Crash.objects.count() == 2)
    crash = Crash.objects.latest("at")
    assert (crash.exit_status, crash.signal, crash.in_flight, crash.suspected_until) == (9, "", [], None)
    assert worker.stop() == 0
    assert Crash.objects.count() == 2


def test_five_deaths_that_nothing_explains_switch_to_degraded_without_anybody_else(worker: Worker) -> None:
    from alerts import modes

    worker.ask("exit", 1, times=4)
    eventually(lambda: Crash.objects.count() == 4)
    assert modes.current().mode == "normal"
    worker.ask("exit", 1)
    eventually(lambda: modes.current().mode == "degraded")
    assert modes.current().reason == "5 restarts of w-1 in 300 s"


def test_autoscaling_and_recycling_are_no_crashes(process_env: dict[str, str], tmp_path: Path) -> None:
    worker = Worker(process_env, tmp_path, "--autoscale", "3,1", "--max-tasks-per-child", "2")
    try:
        seen: set[int] = set()

        def look(enough: int, living: int) -> bool:
            now = {child.pid for child in worker.children()}
            seen.update(now)
            return len(seen) >= enough and len(now) == living

        worker.ask("sleep", 0.3, times=20)
        eventually(lambda: look(6, 3), 60)
        eventually(lambda: look(6, 1), 60)
        worker.ask("sleep", 0.01, times=5)
        eventually(lambda: look(len(seen), 1), 60)
        assert worker.stop() == 0
        assert not Crash.objects.exists()
    finally:
        worker.close()


def test_a_stop_under_load_is_no_crash(worker: Worker) -> None:
    worker.ask("sleep", 1.0, times=3)
    time.sleep(0.3)  # begun, or not even that: either way it is no crash
    assert worker.stop() == 0
    assert not Crash.objects.exists()


def test_a_killed_main_process_is_one_crash_and_its_pool_none(worker: Worker) -> None:
    pool = worker.children()
    worker.main.kill()
    assert worker.guard.wait(30) == 137
    eventually(lambda: not any(child.is_running() for child in pool))
    assert [(crash.kind, crash.signal, crash.in_flight) for crash in Crash.objects.all()] == [
        ("process", "SIGKILL", [])
    ]


def test_a_death_by_a_signal_without_a_name_is_noted_where_no_folder_can_be_had(
    process_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", process_env["DATABASE_URL"])
    monkeypatch.delenv(flight.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", "/proc/none")
    monkeypatch.setattr(TaskPool, "Pool", TaskPool.Pool)
    children._before_fork()
    undertaker = WatchedPool.undertaker
    undertaker.bury(os.getpid(), -40, clock.seconds())
    crash = eventually(lambda: Crash.objects.first())
    assert crash is not None
    assert (crash.signal, crash.exit_status, crash.kind) == ("signal 40", None, "child")
    assert (crash.log, crash.traceback, crash.in_flight) == ("", "", [])
    undertaker.clean(os.getpid())
