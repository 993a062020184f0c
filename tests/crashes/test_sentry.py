"""Sentry hears of errors and of each crash once, and of nothing else."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.models import Crash
from destinations.doorbell import LINK
from rudderproj.celery import FORWARD_QUEUE, app
from tests.concurrency.celery_workers import Worker
from tests.crashes.conftest import Crashed
from tests.services import ROOT
from tests.stubs.sentry import Sentry, taking


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    with taking() as found:
        yield found


@pytest.fixture
def env(process_env: dict[str, str], sentry: Sentry) -> dict[str, str]:
    names = {"SENTRY_DSN": sentry.dsn, "ENVIRONMENT_NAME": "production", "NODE_ID": "n-1"}
    return process_env | names | {"METRICS_TOKEN": "canary-token"}


def run(env: dict[str, str], program: str) -> str:
    """Run a program where Django is set up; what it prints."""
    head = "import django, os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'rudderproj.settings'; django.setup()\n"
    command = [sys.executable, "-c", head + program]
    return subprocess.run(command, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def upkeep(env: dict[str, str]) -> None:
    subprocess.run([sys.executable, "manage.py", "upkeep"], cwd=ROOT, env=env, check=True, stdout=subprocess.DEVNULL)


FAILING = """
from rudderproj import sentry; sentry.start("web")
import logging, structlog, urllib.request
def fail(canary_payload):
    raise ValueError("could not", "canary-token", "DETAIL: no")
def ours():
    structlog.get_logger("ours").exception("shift.task_failed", task="destinations.forward")
def theirs():
    logging.getLogger("theirs").error("request %s failed", "/admin/", exc_info=True)
for say in (ours, theirs):
    try:
        fail("canary-payload")
    except ValueError:
        say()
logging.getLogger("theirs").warning("not worth it")
import sentry_sdk; sentry_sdk.flush()
"""


def test_errors_are_told_by_name_without_values_requests_or_secrets(env: dict[str, str], sentry: Sentry) -> None:
    run(env, FAILING)
    ours, theirs = sentry.wait(2)
    assert (ours["logentry"]["message"], ours["extra"]["task"]) == ("shift.task_failed", "destinations.forward")
    assert "ValueError" in ours["extra"]["exception"]
    assert ours["fingerprint"] == ["ours", "shift.task_failed", "ValueError"]
    assert ours["tags"]["process"] == "web"
    assert (ours["server_name"], ours["environment"], ours["release"]) == ("n-1", "production", "rudderproj@0.1.0")
    assert theirs["logentry"]["message"] == "request %s failed"
    (exception,) = theirs["exception"]["values"]
    assert exception["type"] == "ValueError"
    assert [name for frame in exception["stacktrace"]["frames"] for name in frame if name == "vars"] == []
    for event in (ours, theirs):
        assert {"request", "user", "breadcrumbs", "modules"} & set(event) == set()
    for word in ("canary-token", "canary-payload'", env["SECRETS_KEYS"], env["DATABASE_URL"]):
        assert word not in "".join(sentry.raw).replace('fail(\\"canary-payload\\")', ""), word
    assert set(sentry.kinds) == {"event"}


def test_nothing_of_it_is_loaded_when_it_is_not_set(process_env: dict[str, str]) -> None:
    program = (
        "from rudderproj import celery, sentry, server, upkeep; import alerts.recovery.telling\n"
        "sentry.start('web'); sentry._in_worker(); upkeep.run(due_only=False)\n"
        "print([name for name in sys.modules if name.startswith('sentry_sdk')])"
    )
    assert run({**process_env, "SENTRY_DSN": ""}, program).splitlines()[-1] == "[]"


def test_each_crash_is_told_once_with_its_report(env: dict[str, str], sentry: Sentry, crashed: Crashed) -> None:
    first = crashed(ago=20, traceback="Fatal Python error: Segmentation fault", log="the last line", mode="normal")
    second = crashed(kind="child", role="alerts", restarted_at=None)
    crashed(ago=2 * 86400, summary="of before it was switched on")
    upkeep(env)
    upkeep(env)
    told, _ = sentry.events
    assert [event["event_id"] for event in sentry.events] == [first.pk.hex, second.pk.hex]
    assert told["logentry"]["message"] == "forward died by SIGSEGV"
    assert (told["level"], told["tags"]["role"], told["tags"]["verdict"]) == ("fatal", "forward", "counted")
    assert (told["extra"]["traceback"], told["extra"]["log"]) == (first.traceback, "the last line")
    assert told["fingerprint"] == ["crash", "forward", "process", "SIGSEGV", "Fatal Python error"]
    assert Crash.objects.filter(sentry_at=None).count() == 1


def test_while_sentry_is_away_a_crash_waits(env: dict[str, str], sentry: Sentry, crashed: Crashed) -> None:
    crash = crashed()
    sentry.status = 500
    upkeep(env)
    assert (sentry.events, Crash.objects.get().sentry_at) == ([], None)
    sentry.status = 200
    upkeep(env)
    assert [event["event_id"] for event in sentry.events] == [crash.pk.hex]
    assert Crash.objects.get().sentry_at is not None


SENDING = """
from rudderproj import sentry; sentry.start("upkeep")
sentry._FLUSH_SECONDS = {seconds}
print([sentry.send({{"event_id": id * 32, "message": "m"}}) for id in "ab"])
"""


def test_what_sentry_took_and_never_answered_has_not_arrived(env: dict[str, str], sentry: Sentry) -> None:
    assert run(env, SENDING.format(seconds=10)).splitlines()[-1] == "[True, True]"
    sentry.status = None
    assert run(env, SENDING.format(seconds=0.3)).splitlines()[-1] == "[False, False]"


@pytest.mark.slow
def test_a_task_that_fails_in_a_workers_child_is_told(env: dict[str, str], sentry: Sentry, tmp_path: Path) -> None:
    worker = Worker("sentry", env, tmp_path / "log")
    worker.start()
    try:
        app.send_task(LINK, args=[], queue=FORWARD_QUEUE)
        (event,) = sentry.wait(1)
    finally:
        worker.stop()
    assert event["exception"]["values"][-1]["type"] == "TypeError"
    assert (event["server_name"], event["tags"]["process"]) == ("n-1", "worker")
