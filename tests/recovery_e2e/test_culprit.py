"""An event, or a destination, that kills whatever process touches it: it is set aside, and everything else goes on."""

import json
import signal

import pytest

from tests.e2e.load import sending
from tests.e2e.sink import Sink
from tests.recovery_e2e.deployment import FOREVER, Deployment
from tests.recovery_e2e.test_crash_loops import assert_all_arrived_in_order, told
from tests.stack.harness import eventually

pytestmark = pytest.mark.slow


def numbers(deployment: Deployment, destination: str) -> dict[str, object]:
    """A destination's part of the status."""
    (found,) = [row for row in deployment.status()["destinations"] if row["name"] == destination]
    return dict(found)


def test_a_poison_event_under_load_costs_itself_alone(deployment: Deployment, sink: Sink) -> None:
    with sending(deployment, 2) as load:
        load.wait(20)
        poison = {"userId": "user-1", "event": "n", "messageId": "poison", "properties": {"death": "segfault"}}
        assert deployment.post("/v1/track", poison).status == 200
        eventually(lambda: told(deployment, "poison_event") == (1, 1))
        load.wait(20)
    assert_all_arrived_in_order(load, sink)
    assert "poison" not in sink.message_ids()

    assert (deployment.mode(), told(deployment, "degraded_mode")) == ("normal", (0, 0))
    assert deployment.status()["recovery"]["restarts"] == 0
    letters = deployment.query(
        "SELECT response FROM destinations_delivery WHERE message_id = 'poison' AND state = 'aborted'"
    )
    crashes = deployment.query("SELECT id::text, explained FROM alerts_crash ORDER BY at")
    assert len(crashes) in (2, 3)
    assert {explained for _, explained in crashes} == {"event poison"}
    assert letters == [({"crashes": [crash for crash, _ in crashes]},)]
    report = json.loads(deployment.manage("crashreport", crashes[-1][0], "--json"))
    assert report["signal"] == "SIGSEGV"
    (held,) = report["in_flight_named"]
    assert held.startswith("hook: event poison of web")


def test_a_plugin_that_dies_at_import_stops_its_destinations_alone(deployment: Deployment, sink: Sink) -> None:
    deployment.die("plugin", FOREVER)
    deployment.kill("forward", signal.SIGTERM)  # the processes that have imported it
    with sending(deployment, 2) as load:
        eventually(lambda: numbers(deployment, "hook")["state"] == "held")
        load.wait(10)
    eventually(lambda: numbers(deployment, "inbox")["pending"] == 0)
    assert sink.deliveries == []
    assert (deployment.mode(), told(deployment, "poison_event")) == ("normal", (1, 1))
    crashes = deployment.query("SELECT DISTINCT explained FROM alerts_crash")
    assert crashes == [("destination hook",)]

    deployment.die("plugin", 0)
    deployment.manage("destination", "resume", "hook", "--reason", "mended")
    assert_all_arrived_in_order(load, sink)
    assert deployment.status()["recovery"]["restarts"] == 0
