"""A crash report as people and scripts read it: what is stored of a crash, whether it counts and why, what followed.

Must never show more than the row holds: that has neither payloads nor secrets (rudderproj.guard sees to it).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from alerts.models import Crash, ModeChange

COUNTED, EXPLAINED, SUSPECTED, ENDED = "counted", "explained", "suspected", "ended"
# The same as `verdict` says, for queries.
IS = {
    EXPLAINED: ~Q(explained=""),
    ENDED: Q(explained="", restarted_at__isnull=True),
    SUSPECTED: Q(explained="", restarted_at__isnull=False, suspected_until__gt=Now()),
    COUNTED: Q(explained="", restarted_at__isnull=False)
    & (Q(suspected_until__isnull=True) | Q(suspected_until__lte=Now())),
}

Describe = Callable[[Sequence[dict[str, Any]]], list[str]]


_describe: Describe | None = None


def describe_with(describe: Describe) -> None:
    """Have what was in flight named by who knows destinations and events: a line for each entry."""
    global _describe
    _describe = describe


def in_flight(crash: Crash) -> list[str]:
    """What it had in its hands, a line each: named, if somebody knows names, and by its ids."""
    ids = _ids(crash.in_flight)
    return [f"{name} ({of})" for name, of in zip(_describe(crash.in_flight), ids, strict=True)] if _describe else ids


def _ids(in_flight: Sequence[dict[str, Any]]) -> list[str]:
    names = ("destination", "connection", "lane", "replay", "xid", "position")
    return [", ".join(f"{name} {entry[name]}" for name in names if name in entry) for entry in in_flight]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a crash counts as a restart that nothing explains: counted, explained, suspected or ended; and why."""

    word: str
    why: str


def verdict(crash: Crash, now: datetime | None = None) -> Verdict:
    """What is to be thought of it now."""
    now = now or timezone.now()
    if crash.explained:
        return Verdict(EXPLAINED, f"explained by {crash.explained}: it does not count")
    if crash.restarted_at is None:
        return Verdict(ENDED, "the process has not come back: only restarts count")
    if crash.suspected_until and crash.suspected_until > now:
        return Verdict(SUSPECTED, f"what it had in flight is examined until {_time(crash.suspected_until)}")
    why = f"the process came back {_time(crash.restarted_at)}, and no event or destination explains its end"
    env = settings.ENV
    seconds = max(env["RECOVERY_CRASH_WINDOW_SECONDS"], env["RECOVERY_CRASH_LONG_WINDOW_SECONDS"])
    over = crash.restarted_at < now - timedelta(seconds=seconds)
    return Verdict(COUNTED, f"{why}; too long ago to matter now" if over else why)


def mode_changes(crash: Crash) -> list[ModeChange]:
    """The changes of mode that it took part in, oldest first."""
    return list(ModeChange.objects.filter(crashes__contains=[str(crash.pk)]).order_by("id"))


def content(crash: Crash) -> dict[str, Any]:
    """Everything, JSON-ready; times in UTC with a `Z`."""
    found = verdict(crash)
    return {
        "id": str(crash.pk),
        "summary": str(crash),
        "at": _time(crash.at),
        "role": crash.role,
        "node": crash.node,
        "kind": crash.kind,
        "pid": crash.pid,
        "exit_status": crash.exit_status,
        "signal": crash.signal,
        "is_oom": crash.is_oom,
        "uptime_seconds": crash.uptime_seconds,
        "mode": crash.mode,
        "restarted_at": _time(crash.restarted_at),
        "verdict": found.word,
        "why": found.why,
        "mode_changes": [
            {"at": _time(row.at), "from": row.from_mode, "to": row.to_mode, "reason": row.reason, "actor": row.actor}
            for row in mode_changes(crash)
        ],
        "in_flight": crash.in_flight,
        "in_flight_named": in_flight(crash),
        "traceback": crash.traceback,
        "environment": crash.environment,
        "log": crash.log,
    }


def as_text(crash: Crash) -> str:
    """The same for people, as one file."""
    whole = content(crash)
    lists, texts = ("mode_changes", "in_flight", "in_flight_named", "environment"), ("traceback", "log")
    lines = [whole["summary"], ""]
    lines += [f"{name + ':':<16}{_plain(value)}" for name, value in whole.items() if name not in (*lists, *texts)]
    changes = [f"{c['at']} {c['from']} -> {c['to']} by {c['actor']}: {c['reason']}" for c in whole["mode_changes"]]
    sections = {
        "mode changes it took part in": changes,
        "in flight": whole["in_flight_named"],
        "traceback": whole["traceback"].splitlines(),
        "environment": list(flat(whole["environment"])),
        "last lines of its log": whole["log"].splitlines(),
    }
    for title, section in sections.items():
        lines += ["", f"== {title}", *(section or ["none"])]
    return "\n".join(lines) + "\n"


def flat(value: dict[str, Any], before: str = "") -> list[str]:
    lines: list[str] = []
    for name, inner in value.items():
        lines += flat(inner, f"{before}{name}.") if isinstance(inner, dict) else [f"{before}{name}: {inner}"]
    return lines


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, "") else str(value)


def _time(value: datetime | None) -> str:
    if value is None:
        return ""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
