"""The database goes away for long: the alerts worker says so from what it remembers, and the rows follow."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from tests.incidents.alerts_worker import NO_BROKER, alerts_worker
from tests.services import ROOT
from tests.stack.harness import eventually, query
from tests.stubs import providers
from tests.stubs.providers import PagerDuty, VictorOps

pytestmark = pytest.mark.slow

KEY = "test:database_away"
CHANNEL = """
from alerts.models import Channel
from tests.stubs.providers import VICTOROPS_API_KEY, VICTOROPS_KEY
config = {"api_key": VICTOROPS_API_KEY, "routing_key": VICTOROPS_KEY}
Channel.objects.create(name="oncall", provider="victorops", config=config)
"""
NOTIFICATIONS = """
SELECT c.name, n.action, n.attempts > 1, n.sent_at - i.opened_at BETWEEN '1 s' AND '1 min', n.next_attempt_at IS NULL
FROM alerts_notification n JOIN alerts_channel c ON c.id = n.channel_id JOIN alerts_incident i ON i.id = n.incident_id
WHERE i.kind = 'database_away' ORDER BY c.name, n.id
"""


@dataclass
class Database:
    """A PostgreSQL that a supervisor starts again when it ends, unless that is suspended."""

    url: str
    postgres: psutil.Process
    supervisor: psutil.Process

    def go_away(self) -> None:
        self.supervisor.suspend()
        for process in [self.postgres, *self.postgres.children(recursive=True)]:
            process.send_signal(signal.SIGKILL)

    def come_back(self) -> None:
        self.supervisor.resume()


@pytest.fixture
def environ() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return kept | {"CELERY_BROKER_URL": NO_BROKER, "INSTANCE_ID": "test", "ALERT_DATABASE_SECONDS": "2"}


@pytest.fixture
def database(environ: dict[str, str], tmp_path: Path) -> Iterator[Database]:
    command = [
        *(sys.executable, "-m", "rudderproj.stack", "services", "--print-env", "--until-stdin-closes"),
        *("--no-fsync", "--data-dir", str(tmp_path / "services")),
    ]
    services = subprocess.Popen(
        command, cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert services.stdout is not None
    assert services.stdin is not None
    try:
        lines = dict(line.strip().split("=", 1) for line in iter(services.stdout.readline, "\n") if "=" in line)
        url = lines["DATABASE_URL"]
        manage(environ | {"DATABASE_URL": url}, "migrate", "-v0")
        with closing(psycopg2.connect(url)) as raw:
            postgres = psutil.Process(raw.info.backend_pid).parent()
        assert postgres is not None
        found = Database(url, postgres, next(p for p in postgres.parents() if "supervisord" in " ".join(p.cmdline())))
        yield found
        found.come_back()
    finally:
        services.stdin.close()
        services.wait(90)
        services.stdout.close()


def manage(environ: dict[str, str], *arguments: str) -> None:
    subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=environ, check=True)


def test_it_is_told_from_memory_and_from_disk_and_written_when_it_is_back(
    database: Database, environ: dict[str, str], tmp_path: Path
) -> None:
    with providers.pagerduty() as pagerduty, providers.victorops() as victorops:
        env = environ | {"DATABASE_URL": database.url, "VICTOROPS_URL": victorops.environ["VICTOROPS_URL"]}
        env |= pagerduty.environ
        manage(env, "shell", "-v0", "-c", CHANNEL)
        with alerts_worker(env, tmp_path):
            eventually(lambda: query(database.url, "SELECT count(*) FROM alerts_channel") == [(2,)])
            kept = tmp_path / "run/alerts-channels"
            eventually(kept.exists)
            pagerduty.fail(503, times=2)
            victorops.fail(503)
            database.go_away()
            pagerduty.wait(len)
            eventually(lambda: victorops.calls)
        assert oct(kept.stat().st_mode & 0o777) == "0o600"
        assert "oncall" not in kept.read_text()
        victorops.recover()
        with alerts_worker(env, tmp_path):
            victorops.wait(len)
            database.come_back()
            pagerduty.wait(lambda accepted: accepted[-1]["event_action"] == "resolve")
            victorops.wait(lambda accepted: accepted[-1]["message_type"] == "RECOVERY")
            eventually(lambda: all(row[4] for row in query(database.url, NOTIFICATIONS)))
    assert_told(pagerduty, victorops)
    incidents = "SELECT severity, resolved_at > opened_at FROM alerts_incident WHERE kind = 'database_away'"
    assert query(database.url, incidents) == [("critical", True)]
    sent = [row[:4] for row in query(database.url, NOTIFICATIONS)]
    assert sent == [
        ("PagerDuty (environment)", "trigger", True, True),
        ("PagerDuty (environment)", "resolve", False, True),
        ("oncall", "trigger", True, True),
        ("oncall", "resolve", False, True),
    ]


def assert_told(pagerduty: PagerDuty, victorops: VictorOps) -> None:
    """The same key all the time, one trigger and one resolve."""
    bodies: list[Any] = pagerduty.accepted
    assert {body["dedup_key"] for body in bodies} == {KEY}
    assert [call.status for call in pagerduty.calls][:3] == [503, 503, 202]
    assert (len(pagerduty.triggers()), len(pagerduty.resolves(KEY))) == (1, 1)
    assert {body["entity_id"] for body in victorops.accepted} == {KEY}
    assert (len(victorops.triggers()), len(victorops.resolves(KEY))) == (1, 1)
