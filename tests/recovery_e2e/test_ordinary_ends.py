"""What happens to healthy processes every day counts nothing, and loses nothing."""

import functools
import os
import signal
import subprocess
import sys

import psutil
import pytest

from rudderproj.stack import processes
from tests.e2e.load import sending
from tests.e2e.sink import Sink
from tests.recovery_e2e.deployment import ROLES, Deployment, frozen
from tests.recovery_e2e.test_crash_loops import assert_all_arrived_in_order
from tests.services import ROOT
from tests.stack.harness import eventually

pytestmark = pytest.mark.slow
ROUNDS = 10


def assert_nothing_crashed(deployment: Deployment) -> None:
    assert deployment.query("SELECT role, node, summary FROM alerts_crash") == []
    assert deployment.mode() == "normal"
    assert (deployment.pagerduty.triggers("crash_loop"), deployment.pagerduty.triggers("degraded_mode")) == ([], [])


def test_ten_rolling_restarts_of_everything_count_nothing(deployment: Deployment, sink: Sink) -> None:
    with sending(deployment, 4) as load:
        for number in range(ROUNDS):
            before = deployment.lives()
            assert set(before) == set(ROLES)
            for role in ROLES:
                # An orchestrator asks the guard; whoever looks at `status` asks the process.
                if number % 2:
                    deployment.kill(role, signal.SIGTERM)
                else:
                    os.kill(before[role], signal.SIGTERM)
            eventually(functools.partial(_all_anew, deployment, before))
        load.wait(20)
    assert_all_arrived_in_order(load, sink)
    assert len(sink.deliveries) == load.count, "a stop in order leaves nothing to repeat"
    assert_nothing_crashed(deployment)


def _all_anew(deployment: Deployment, before: dict[str, int]) -> bool:
    """Whether each role has begun another life, and its process is there."""
    now = deployment.lives()
    if set(now) != set(ROLES) or any(now[role] == before[role] for role in ROLES):
        return False
    try:
        return all(psutil.Process(pid).children() for pid in now.values())
    except psutil.NoSuchProcess:
        return False


def test_scaling_up_and_down_under_load_counts_nothing(deployment: Deployment, sink: Sink) -> None:
    children = deployment.main("forward").children
    control = [sys.executable, "-m", "celery", "-A", "rudderproj", "control", "--timeout", "5"]
    environ = deployment.environ | deployment.saved

    def is_scaled(number: int) -> bool:
        """Ask for so many processes; a worker gives up none that is busy."""
        command = [*control, "autoscale", str(number), str(number)]
        subprocess.run(command, cwd=ROOT, env=environ, check=True, stdout=subprocess.DEVNULL)
        return len(children()) == number

    for _ in range(2):
        with sending(deployment, 4) as load:
            load.wait(20)
            eventually(lambda: is_scaled(4))
            load.wait(20)
            eventually(lambda: is_scaled(3))
        eventually(lambda: is_scaled(1))
        assert_all_arrived_in_order(load, sink)
        assert len(sink.deliveries) == load.count
        sink.deliveries.clear()
    assert_nothing_crashed(deployment)


def test_crashes_and_stops_while_the_database_is_away_count_as_what_they_were(
    deployment: Deployment, sink: Sink
) -> None:
    supervisor, postgres = deployment.pid(processes.SUPERVISOR), deployment.pid(processes.POSTGRES)
    lives = deployment.lives()
    with sending(deployment, 4) as load:
        load.wait(20)
        with frozen(supervisor):
            os.kill(postgres, signal.SIGKILL)
            processes.wait_gone([postgres], 30)
            deployment.kill("alerts")
            os.kill(lives["forward"], signal.SIGTERM)
            os.kill(lives["beat"], signal.SIGTERM)
            gone = [lives[role] for role in ("alerts", "forward", "beat")]
            eventually(lambda: not any(processes.start_token(pid) for pid in gone))
        eventually(lambda: set(deployment.lives()) == set(ROLES))
        load.wait(20)
    assert_all_arrived_in_order(load, sink)
    eventually(lambda: deployment.counted() == 1)
    assert deployment.query("SELECT role, signal FROM alerts_crash") == [("alerts", "SIGKILL")]
    assert deployment.mode() == "normal"
