"""A real alerts worker tells people, with no broker at all, and has loaded nothing of what forwards."""

import subprocess
import sys
from pathlib import Path

import pytest

from alerts import modes
from alerts.models import Channel, Incident, Notification
from tests.incidents.alerts_worker import NO_BROKER, alerts_worker
from tests.services import ROOT
from tests.stack.harness import eventually
from tests.stubs import providers

pytestmark = pytest.mark.slow

FORWARDING = """
import sys
from rudderproj.celery import app
app.loader.import_default_modules()
{more}
found = [name for name in sys.modules if name == 'destinations.forward'
         or name.startswith('destinations.plugins.') and name.endswith('.plugin')]
print(found)
"""


def test_without_a_broker_the_mode_is_told_and_its_end(
    committed: None, process_env: dict[str, str], tmp_path: Path
) -> None:
    with providers.pagerduty() as pagerduty, providers.victorops() as victorops:
        env = process_env | {"CELERY_BROKER_URL": NO_BROKER, "INSTANCE_ID": "test"}
        env |= providers.environ_of(pagerduty, victorops)
        with alerts_worker(env, tmp_path):
            eventually(lambda: Channel.objects.filter(from_environment=True).count() == 2)
            modes.set_mode("degraded", "a test", "ada")
            pagerduty.wait(len)
            victorops.wait(len)
            modes.set_mode("normal", "the end", "ada")
            pagerduty.wait(lambda accepted: len(accepted) == 2)
            victorops.wait(lambda accepted: len(accepted) == 2)
            eventually(lambda: not Notification.objects.filter(sent_at=None).exists())
    (trigger,) = pagerduty.triggers("degraded_mode")
    assert trigger["dedup_key"] == "test:degraded_mode"
    assert trigger["payload"]["summary"] == "test: Degraded mode, nothing is forwarded: a test"
    details = trigger["payload"]["custom_details"]
    assert (details["by"], details["reason"]) == ("ada", "a test")
    assert details["link"].endswith("/admin/alerts/mode/")
    assert len(pagerduty.resolves("test:degraded_mode")) == 1
    (critical,) = victorops.triggers("degraded_mode")
    assert (critical["message_type"], critical["entity_id"]) == ("CRITICAL", "test:degraded_mode")
    assert len(victorops.resolves("test:degraded_mode")) == 1
    (incident,) = Incident.objects.filter(kind="degraded_mode")
    assert incident.resolved_at is not None


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("from alerts.watch import loop", "[]"),
        (
            "from types import SimpleNamespace as Some; from destinations import tasks;"
            "amqp = Some(queues=Some(consume_from={'forward': 1}));"
            "tasks.load_what_forwards(Some(app=Some(amqp=amqp)))",
            "['destinations.forward']",
        ),
    ],
)
def test_an_alerts_worker_loads_nothing_that_forwards_and_a_forwarding_one_does(
    process_env: dict[str, str], more: str, found: str
) -> None:
    code = FORWARDING.format(more=more)
    done = subprocess.run(
        [sys.executable, "-c", code], env=process_env, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == found
