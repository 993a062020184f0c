"""The mode is flipped beside running links, and by two workers that race to the threshold."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rudderproj.stack import processes
from tests.e2e import http
from tests.e2e.load import sending
from tests.e2e.sink import Sink
from tests.recovery_e2e.deployment import FOREVER, Deployment, frozen
from tests.recovery_e2e.test_crash_loops import assert_all_arrived_in_order, told
from tests.services import ROOT
from tests.stack.harness import eventually

pytestmark = pytest.mark.slow
SEGFAULT = "import ctypes; ctypes.string_at(0)"


def test_within_a_second_of_the_flag_nothing_is_sent_and_afterwards_all_of_it_in_order(
    deployment: Deployment, sink: Sink
) -> None:
    with sending(deployment, 4) as load:
        load.wait(40)
        deployment.query("UPDATE alerts_mode SET mode = 'degraded', since = now(), reason = 'by test', actor = 'test'")
        time.sleep(1)
        stopped = len(sink.deliveries)
        load.wait(60)
        assert len(sink.deliveries) == stopped
        assert load.refused == 0
        deployment.manage("mode", "normal", "--reason", "the test goes on")
        load.wait(20)
    assert_all_arrived_in_order(load, sink)
    assert len(sink.deliveries) == load.count


def test_started_cold_into_the_stored_degraded_mode_with_a_worker_that_crashes_all_is_accepted_and_told(
    deployment: Deployment,
) -> None:
    before = deployment.lives()
    with frozen(deployment.pid(processes.SUPERVISOR)):
        deployment.die("forward", FOREVER)
        for guard in before.values():
            os.kill(guard, signal.SIGTERM)
        eventually(lambda: not any(processes.start_token(pid) for pid in before.values()))
        reason = "reason = '5 restarts of it in 300 s', actor = 'recovery'"
        deployment.query(f"UPDATE alerts_mode SET mode = 'degraded', since = now(), {reason}")
        assert told(deployment, "degraded_mode") == (0, 0)

    eventually(lambda: told(deployment, "degraded_mode") == (1, 1))
    health = eventually(lambda: _answer_of_health(deployment))
    assert json.loads(health)["mode"] == "DEGRADED"
    event = {"userId": "u", "event": "cold", "properties": {"n": 1}}
    assert deployment.post("/v1/track", event).status == 200
    eventually(lambda: deployment.counted() >= 1)
    assert deployment.query("SELECT DISTINCT role FROM alerts_crash") == [("forward",)]
    assert deployment.mode() == "degraded"
    deployment.die("forward", 0)
    eventually(lambda: set(deployment.lives()) == set(before))


def _answer_of_health(deployment: Deployment) -> str:
    """Empty until web answers."""
    with contextlib.suppress(OSError):
        answer = http.ask(deployment.web_port, "GET", "/health")
        return answer.body if answer.status == 200 else ""
    return ""


def test_of_two_workers_that_race_to_the_threshold_there_is_one_transition(
    deployment: Deployment, tmp_path: Path
) -> None:
    (begun,) = deployment.query("SELECT coalesce(max(id), 0) FROM alerts_modechange")
    racers = [threading.Thread(target=_crash_in_a_loop, args=(deployment, tmp_path, f"racer-{n}")) for n in (1, 2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(120)
    changes = deployment.query(f"SELECT to_mode, actor, reason, crashes FROM alerts_modechange WHERE id > {begun[0]}")
    ((to_mode, actor, reason, crashes),) = changes
    assert (to_mode, actor) == ("degraded", "recovery")
    assert reason in {f"5 restarts of racer-{n} in 300 s" for n in (1, 2)}
    nodes = deployment.query(f"SELECT DISTINCT node FROM alerts_crash WHERE id::text = ANY(ARRAY{crashes})")
    assert (len(crashes), nodes) == (5, [(reason.split()[3],)])
    rows = deployment.query(
        "SELECT node, count(*) FROM alerts_crash WHERE restarted_at IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    assert rows == [("racer-1", 5), ("racer-2", 5)]
    eventually(lambda: told(deployment, "degraded_mode") == (1, 1))
    open_ = "SELECT count(*) FROM alerts_incident WHERE kind = 'degraded_mode' AND resolved_at IS NULL"
    assert deployment.query(open_) == [(1,)]


def _crash_in_a_loop(deployment: Deployment, folder: Path, node: str) -> None:
    """What a supervisor of another machine sees: five crashes, and a sixth start that lives on."""
    environ = deployment.environ | deployment.saved
    environ |= {"DATA_DIR": str(folder / node), "NODE_ID": node, "RUN_ID": node, "PYTHONPATH": os.fspath(ROOT)}
    for program in (*[SEGFAULT] * 5, "pass"):
        command = [sys.executable, "-m", "rudderproj.guard", "--role", "forward", "--", sys.executable, "-c", program]
        subprocess.run(command, cwd=ROOT, env=environ, check=False, capture_output=True, timeout=60)
