"""The checks of this app: the mode, processes that crash again and again, processes that are not there.

Each looks at the database alone. Must never open two incidents for one trouble: a process that is not there because it
keeps crashing is a crash loop, and a forwarding worker's crash loop is the degraded mode that it led to.
"""

import time
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from alerts import links, modes, processes, recovery
from alerts.incidents import facts
from alerts.incidents.attendance import Attendance
from alerts.incidents.book import Finding, report
from alerts.incidents.checks import Check, register
from alerts.incidents.kinds import KINDS
from alerts.models import Crash, ModeChange
from alerts.recovery import switch

MODE, LOOP, MISSING = "degraded_mode", "crash_loop", "process_missing"


def register_all() -> None:
    """Called once, when the app is ready."""
    register(Check(MODE, mode, every_seconds=1.5, clear_seconds=0.0))
    register(Check(LOOP, crash_loops))
    register(Check(MISSING, missing))


def mode() -> dict[str, Finding | None]:
    """The degraded mode, whoever asked for it."""
    now = modes.current()
    if now.forwards:
        return {}
    to_do = f"Unset {modes.FORCED_BY}: the stored mode is {now.stored}." if now.forced else KINDS[MODE].to_do
    details = {
        "what": "Events are accepted and stored; nothing is forwarded.",
        **({} if now.forced else _change(now)),
        "by": now.actor,
        "reason": now.reason,
        **_last_crash(),
        "waiting_events": facts.waiting_events(),
        "what_to_do": to_do,
        "link": links.admin("alerts/mode/"),
    }
    because = f": {now.reason}" if now.reason else ""
    return {MODE: Finding("critical", f"Degraded mode, nothing is forwarded{because}", details)}


def crash_loops() -> dict[str, Finding | None]:
    """Processes that came back after a crash too often."""
    found: dict[str, Finding | None] = {}
    for loop in recovery.loops():
        if switch.leads_to_degraded(loop):
            continue
        details = {
            "what": f"{loop.node} ({loop.role}) came back after a crash {loop.restarts} times in {loop.seconds:.0f} s.",
            "restarts": loop.restarts,
            **_last_crash(role=loop.role, node=loop.node),
            "waiting_events": facts.waiting_events(),
            "what_to_do": KINDS[LOOP].to_do,
            "link": links.admin(f"alerts/crash/?role={loop.role}"),
        }
        summary = f"{loop.node} keeps crashing: {loop.restarts} restarts"
        found[f"{LOOP}:{loop.role}:{loop.node}"] = Finding("critical", summary, details)
    return found


def report_crash_loops() -> int:
    """Open or update their incidents; how many. See alerts.incidents.report_crash_loops."""
    found = {key: finding for key, finding in crash_loops().items() if finding}
    for key, finding in found.items():
        report(kind=LOOP, key=key, severity=finding.severity, summary=finding.summary, details=finding.details)
    return len(found)


_attendance = Attendance()


def missing(now: float | None = None, attendance: Attendance = _attendance) -> dict[str, Finding | None]:
    """Roles of which no process has been seen for too long. `now`: time.monotonic().

    None for one that is not there, but not for too long as far as this process knows: others may have watched longer.
    """
    living = set(processes.living(processes.GONE_SECONDS).values_list("role", flat=True))
    roles, at = settings.ENV["ALERT_ROLES"], time.monotonic() if now is None else now
    unseen = attendance.unseen_seconds(living, roles, at)
    absent = {role: seconds for role, seconds in unseen.items() if role not in living}
    late = {role for role, seconds in absent.items() if seconds >= settings.ENV["ALERT_MISSING_SECONDS"]}
    missed = late - {loop.role for loop in recovery.loops()} if late else set()
    return {
        f"{MISSING}:{role}": Finding("critical", _absent(role), _absence(role, seconds)) if role in missed else None
        for role, seconds in absent.items()
    }


def _change(now: modes.CurrentMode) -> dict[str, Any]:
    """Since when the mode is so, and how many restarts led there."""
    change = ModeChange.objects.filter(to_mode=now.mode).order_by("-id").first()
    return {"since": _time(now.since), "restarts": len(change.crashes) if change and change.crashes else None}


def _absent(role: str) -> str:
    effects = {
        "web": "no event is accepted",
        "forward": "no event is forwarded",
        "beat": "sweeps come from workers alone",
    }
    return f"No {role} process is running: {effects[role]}"


def _absence(role: str, seconds: float) -> dict[str, Any]:
    return {
        "what": f"{_absent(role)}.",
        "since": _time(timezone.now() - timedelta(seconds=seconds)),
        "waiting_events": facts.waiting_events(),
        "what_to_do": KINDS[MISSING].to_do,
        "link": links.admin("alerts/process/"),
    }


def _last_crash(**of: str) -> dict[str, Any]:
    """The last crash there was, and where its report is."""
    crash = Crash.objects.filter(**of).order_by("-at").only("id", "at", "summary", "role", "node").first()
    if crash is None:
        return {}
    return {"last_crash": f"{_time(crash.at)} {crash}", "crash": links.admin(f"alerts/crash/{crash.pk}/change/")}


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
