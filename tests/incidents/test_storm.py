"""The whole way, with real processes: a destination that fails thousands of times is one alert and one recovery."""

from pathlib import Path
from typing import Any

import pytest

from alerts.models import Incident
from tests.e2e.stack import running
from tests.stack.harness import eventually
from tests.stubs import providers
from tests.stubs.providers import Provider

pytestmark = pytest.mark.slow

EVENTS, USERS = 2000, 500
SOON = {"ALERT_BREAKER_SECONDS": "3", "ALERT_CLEAR_SECONDS": "2", "ALERT_ROLES": "web,forward"}


class Warehouse(Provider):
    """A destination that takes everything, unless it is told to fail."""

    def judge(self, path: str, body: Any) -> tuple[int, Any]:
        return 200, {}


def batch(first: int) -> dict[str, Any]:
    events = [
        {"type": "track", "event": "x", "messageId": f"m{n}", "userId": f"u{n % USERS}"}
        for n in range(first, first + 200)
    ]
    return {"batch": events}


def test_a_destination_that_fails_all_the_time_is_one_alert_and_one_recovery(
    committed: None, process_env: dict[str, str], tmp_path: Path
) -> None:
    warehouse = Warehouse()
    with providers.pagerduty() as pagerduty, providers.victorops() as victorops:
        env = process_env | SOON | providers.environ_of(pagerduty, victorops) | {"INSTANCE_ID": "test"}
        with running(env, tmp_path, "web", "forward", "alerts") as stack:
            warehouse.fail(503)
            stack.connect(f"http://127.0.0.1:{warehouse.port}/hook")
            for first in range(0, EVENTS, 200):
                assert stack.post("/v1/batch", batch(first)).status == 200
            pagerduty.wait(len)
            victorops.wait(len)
            warehouse.recover()
            warehouse.wait(lambda accepted: len({body["messageId"] for body in accepted}) == EVENTS)
            pagerduty.wait(lambda accepted: len(accepted) == 2)
            victorops.wait(lambda accepted: len(accepted) == 2)
            eventually(lambda: not Incident.objects.filter(resolved_at=None).exists())
    warehouse.close()
    (trigger,) = pagerduty.triggers()
    (resolve,) = pagerduty.resolves()
    assert trigger["payload"]["summary"] == "test: hook does not answer"
    assert trigger["payload"]["class"] == "destination_failing"
    assert trigger["payload"]["custom_details"]["answer"].startswith("HTTP 503")
    assert resolve["dedup_key"] == trigger["dedup_key"]
    (critical,) = victorops.triggers()
    (recovery,) = victorops.resolves()
    assert critical["entity_id"] == recovery["entity_id"] == trigger["dedup_key"]
    assert Incident.objects.count() == 1
