"""Processes that crash again and again: exactly the fifth restart of a forwarding worker stops forwarding."""

import json
import socket
from typing import Any

import pytest

from tests.e2e.load import Load, sending
from tests.e2e.sink import Sink
from tests.recovery_e2e.deployment import FOREVER, Deployment
from tests.stack.harness import eventually

pytestmark = pytest.mark.slow


def assert_all_arrived_in_order(load: Load, sink: Sink) -> None:
    sink.wait(load.count)
    arrived = {user: [event["properties"]["n"] for event in events] for user, events in sink.by_user().items()}
    assert arrived == load.accepted


def told(deployment: Deployment, kind: str) -> tuple[int, int]:
    """How many triggers of this kind each provider has accepted."""
    return len(deployment.pagerduty.triggers(kind)), len(deployment.victorops.triggers(kind))


def incident(deployment: Deployment, kind: str) -> Any:
    """The one open incident of this kind: key, details, times."""
    columns = "key, details, opened_at, updated_at"
    (row,) = deployment.query(f"SELECT {columns} FROM alerts_incident WHERE kind = '{kind}' AND resolved_at IS NULL")
    return row


def test_a_worker_that_dies_at_its_start_stops_forwarding_at_the_fifth_restart(
    deployment: Deployment, sink: Sink
) -> None:
    with sending(deployment, 4) as load:
        load.wait(40)
        deployment.die("forward", 3)
        deployment.kill("forward")
        eventually(lambda: deployment.counted() == 4)
        before = load.count
        sink.wait(before + 40)  # the fourth restart forwards
        status = deployment.status()
        assert status["recovery"] == {"restarts": 4, "threshold": 5, "window_seconds": 300}
        assert (status["mode"]["mode"], told(deployment, "degraded_mode")) == ("normal", (0, 0))

        deployment.die("forward", FOREVER)
        deployment.kill("forward")
        eventually(lambda: deployment.mode() == "degraded")
        stored = {user: len(numbers) for user, numbers in load.accepted.items()}
        (change,) = deployment.query(
            "SELECT reason, actor, crashes, at FROM alerts_modechange WHERE actor = 'recovery' ORDER BY id"
        )
        reason, actor, crashes, at = change
        node = f"{socket.gethostname()}-forward-1"
        assert (reason, actor) == (f"5 restarts of {node} in 300 s", "recovery")
        first = deployment.query(f"SELECT id::text FROM alerts_crash WHERE restarted_at <= '{at}' ORDER BY at")
        assert [row[0] for row in first] == crashes
        assert len(crashes) == 5

        assert_alerted_once(deployment)
        load.wait(40)
        assert load.refused == 0
        deployment.die("forward", 0)
        eventually(lambda: "forward" in deployment.lives())
    assert deployment.mode() == "degraded"

    deployment.manage("mode", "normal", "--reason", "fixed")
    assert_all_arrived_in_order(load, sink)
    arrived = [(delivered.body["userId"], delivered.body["properties"]["n"]) for delivered in sink.deliveries]
    late = [(user, number) for user, number in arrived if number > stored[user]]
    assert len(late) == len(set(late)), "what was accepted while nothing was forwarded came more than once"
    deployment.pagerduty.wait(lambda _: deployment.pagerduty.resolves())
    deployment.victorops.wait(lambda _: deployment.victorops.resolves())
    (key,) = {body["dedup_key"] for body in deployment.pagerduty.triggers("degraded_mode")}
    assert len(deployment.pagerduty.resolves(key)) == len(deployment.victorops.resolves(key)) == 1


def assert_alerted_once(deployment: Deployment) -> None:
    """Each provider once, though it goes on crashing: the incident follows, the mode stays, reports are there."""
    eventually(lambda: told(deployment, "degraded_mode") == (1, 1))
    key, details, opened, _ = incident(deployment, "degraded_mode")
    crashes = deployment.counted()
    eventually(lambda: deployment.counted() >= crashes + 2)
    eventually(lambda: incident(deployment, "degraded_mode")[1]["last_crash"] != details["last_crash"])
    again = incident(deployment, "degraded_mode")
    assert (again[0], again[2]) == (key, opened)
    assert again[3] > opened
    assert (deployment.mode(), told(deployment, "degraded_mode")) == ("degraded", (1, 1))
    newest = json.loads(deployment.manage("crashreport", "--json", "--limit", "1"))
    report = json.loads(deployment.manage("crashreport", newest["id"], "--json"))
    assert (report["role"], report["signal"], report["mode"]) == ("forward", "SIGSEGV", "degraded")
    assert report["traceback"].startswith("Fatal Python error: Segmentation fault")
    assert report["environment"]["settings"]["PG_ROUTING_KEY"] == "***"


def test_a_web_process_that_keeps_crashing_is_an_incident_and_forwarding_goes_on(
    deployment: Deployment, sink: Sink
) -> None:
    with sending(deployment, 2) as load:
        load.wait(10)
        deployment.die("web", 4)
        deployment.kill("web")
        eventually(lambda: told(deployment, "crash_loop") == (1, 1))
        load.wait(10)
    assert_all_arrived_in_order(load, sink)
    assert deployment.counted() == 5
    assert (deployment.mode(), told(deployment, "degraded_mode")) == ("normal", (0, 0))
    assert incident(deployment, "crash_loop")[0].startswith("crash_loop:web:")
    assert deployment.status()["recovery"]["restarts"] == 0
