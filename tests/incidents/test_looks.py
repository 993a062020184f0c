"""The mode, crash loops and missing processes as incidents."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from alerts import incidents, modes
from alerts.incidents import checks, looks
from alerts.incidents.attendance import Attendance
from alerts.models import Channel, Crash, Incident, Mode, ModeChange, Notification, Process
from alerts.processes import GONE_SECONDS
from tests.race import together
from tests.services import ROOT

pytestmark = pytest.mark.usefixtures("committed")


def seen(role: str, seconds_ago: float) -> None:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    Process.objects.create(role=role, node=f"n-{role}-1", pid=1, started_at=at, last_seen_at=at)


def test_degraded_mode_tells_who_why_the_restarts_and_the_last_crash() -> None:
    assert looks.mode() == {}
    crash = Crash.objects.create(role="forward", node="n", kind="process", summary="SIGSEGV in n")
    modes.set_mode("degraded", "5 restarts of n in 300 s", "recovery")
    ModeChange.objects.update(crashes=[str(crash.pk)] * 5)
    finding = looks.mode()["degraded_mode"]
    assert finding is not None
    assert finding.summary == "Degraded mode, nothing is forwarded: 5 restarts of n in 300 s"
    assert (finding.severity, finding.details["by"], finding.details["restarts"]) == ("critical", "recovery", 5)
    assert finding.details["last_crash"].endswith("UTC SIGSEGV in n")
    assert finding.details["crash"].endswith(f"/admin/alerts/crash/{crash.pk}/change/")


def test_a_forced_mode_tells_what_forces_it(settings: Any) -> None:
    settings.ENV = settings.ENV | {"RSERVER_MODE": "degraded"}
    finding = looks.mode()["degraded_mode"]
    assert finding is not None
    assert "since" not in finding.details
    assert (finding.details["by"], finding.details["reason"]) == ("RSERVER_MODE", "forced by RSERVER_MODE")
    assert finding.details["what_to_do"] == "Unset RSERVER_MODE: the stored mode is normal."
    settings.ENV = settings.ENV | {"RSERVER_MODE": "normal"}
    modes.set_mode("degraded", "why", "ada")
    assert looks.mode() == {}


def test_a_crash_while_degraded_updates_the_incident_and_opens_none() -> None:
    modes.set_mode("degraded", "why", "recovery")
    checks.run(due_only=False)
    crash = Crash.objects.create(role="forward", node="n", kind="process", summary="again")
    checks.run(due_only=False)
    incident = Incident.objects.get(kind="degraded_mode")
    assert incident.details["crash"].endswith(f"{crash.pk}/change/")


def test_the_end_of_degraded_mode_is_told_at_once() -> None:
    modes.set_mode("degraded", "why", "ada")
    checks.run(due_only=False)
    modes.set_mode("normal", "mended", "ada")
    checks.run(due_only=False)
    assert Incident.objects.get(kind="degraded_mode").resolved_at is not None


def test_of_many_who_check_at_once_one_does() -> None:
    modes.set_mode("degraded", "why", "ada")
    together([lambda: checks.run(due_only=False)] * 6)
    assert Incident.objects.filter(kind="degraded_mode").count() == 1
    assert not Notification.objects.exists()


class Watch:
    """Looks every five seconds, of a clock of its own."""

    def __init__(self) -> None:
        self.attendance, self.now = Attendance(), 1000.0

    def after(self, seconds: float) -> list[str]:
        """Who is missed after so long."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 5)
            found = looks.missing(self.now, self.attendance)
        return [key for key, finding in found.items() if finding]


def test_roles_without_a_living_process_are_told(settings: Any) -> None:
    watch = Watch()
    seen("web", 0)
    seen("forward", GONE_SECONDS + 1)
    assert watch.after(64) == []
    assert watch.after(5) == ["process_missing:forward", "process_missing:beat"]
    found = looks.missing(watch.now, watch.attendance)["process_missing:forward"]
    assert found is not None
    assert found.summary == "No forward process is running: no event is forwarded"
    settings.ENV = settings.ENV | {"ALERT_ROLES": ["web"]}
    assert watch.after(5) == []


def test_who_stops_in_order_and_comes_back_is_not_missed(settings: Any) -> None:
    settings.ENV = settings.ENV | {"ALERT_ROLES": ["forward"]}
    watch = Watch()
    seen("forward", 0)
    watch.after(300)
    Process.objects.all().delete()
    assert watch.after(55) == []
    seen("forward", 0)
    assert watch.after(100) == []


def test_who_has_not_watched_for_a_while_misses_nobody_yet(settings: Any) -> None:
    settings.ENV = settings.ENV | {"ALERT_ROLES": ["forward"]}
    watch = Watch()
    watch.after(60)
    watch.now += 31
    assert watch.after(5) == []
    assert watch.after(59) == []
    assert watch.after(1) == ["process_missing:forward"]


def test_who_has_just_begun_to_watch_ends_nothing_that_others_opened(settings: Any) -> None:
    settings.ENV = settings.ENV | {"ALERT_ROLES": ["forward"], "ALERT_CLEAR_SECONDS": 0.0}
    watch = Watch()
    watch.after(70)
    incidents.sync(looks.MISSING, looks.missing(watch.now, watch.attendance))
    incidents.sync(looks.MISSING, looks.missing(watch.now, Attendance()))
    assert Incident.objects.get().resolved_at is None
    seen("forward", 0)
    incidents.sync(looks.MISSING, looks.missing(watch.now, Attendance()))
    assert Incident.objects.get().resolved_at is not None


def crashed(role: str, times: int) -> None:
    """A process of this role came back after a crash so often, lately."""
    for _ in range(times):
        Crash.objects.create(role=role, node=f"n-{role}-1", kind="process", restarted_at=timezone.now())


def test_a_process_that_keeps_crashing_is_told_and_not_missed() -> None:
    crashed("web", 4)
    assert looks.crash_loops() == {}
    crashed("web", 1)
    finding = looks.crash_loops()["crash_loop:web:n-web-1"]
    assert finding is not None
    assert finding.summary == "n-web-1 keeps crashing: 5 restarts"
    watch = Watch()
    assert "process_missing:web" not in watch.after(70)
    assert looks.missing(watch.now, watch.attendance)["process_missing:web"] is None


JUDGING = "import django; django.setup(); from alerts import incidents; print(incidents.report_crash_loops())"


def test_who_judges_restarts_opens_the_incident_without_a_watch_or_a_broker(process_env: dict[str, str]) -> None:
    crashed("alerts", 5)
    environ = {"DJANGO_SETTINGS_MODULE": "alerts.recovery.settings", "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}
    Channel.objects.create(name="pager", provider="pagerduty", config={})
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", JUDGING], cwd=ROOT, env=process_env | environ, stdout=subprocess.PIPE, check=True
        )
        assert done.stdout.split()[-1] == b"1"
    assert Incident.objects.get().key == "crash_loop:alerts:n-alerts-1"
    assert Notification.objects.count() == 1


def test_a_forwarding_worker_that_keeps_crashing_is_told_by_the_mode_unless_that_cannot_change(settings: Any) -> None:
    Mode.objects.update(since=timezone.now() - timedelta(hours=1))
    crashed("forward", 5)
    assert looks.crash_loops() == {}
    settings.ENV = settings.ENV | {"RSERVER_MODE": "normal"}
    assert list(looks.crash_loops()) == ["crash_loop:forward:n-forward-1"]
