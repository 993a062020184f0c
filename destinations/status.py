"""The state of the deployment in one snapshot, as `manage.py status --json` prints it: users' scripts depend on it.

Must stay under two seconds at any size of the log, also when nobody rolled up the tallies: it does so itself, before.
"""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connection

from alerts import modes, processes, recovery
from alerts.models import Incident, Process
from destinations import tallies
from destinations.models import Connection, Destination
from destinations.tallies import Counts
from ingest import retention


def snapshot() -> dict[str, Any]:
    """Everything at one instant; JSON-ready, times in UTC with a `Z`. Raises django.db.DatabaseError."""
    tallies.roll_up("status")
    with tallies.one_snapshot() as now:
        counts = tallies.count()
        restarts = {(found.role, found.node): found.recent for found in recovery.restarts()}
        connections = list(Connection.objects.select_related("source", "destination").order_by("pk"))
        return {
            "mode": _mode(),
            "recovery": _recovery(restarts),
            "processes": [
                _process(row, restarts.get((row.role, row.node), 0))
                for row in processes.living().order_by("role", "node")
            ],
            "destinations": [
                _destination(row, [counts[c.pk] for c in connections if c.destination_id == row.pk], now)
                for row in Destination.objects.select_related("health").order_by("name")
            ],
            "connections": [_connection(row, counts[row.pk]) for row in connections],
            "incidents": [_incident(row) for row in Incident.objects.filter(resolved_at=None).order_by("id")],
            "retention": _retention(),
        }


def _mode() -> dict[str, Any]:
    mode = modes.current()
    return {
        "mode": mode.mode,
        "since": _time(mode.since),
        "reason": mode.reason,
        "actor": mode.actor,
        "forced": mode.forced,
    }


def _recovery(restarts: dict[tuple[str, str], int]) -> dict[str, Any]:
    """Of the forwarding process that came back most often: its restarts lead to degraded mode."""
    of_forwarding = [count for (role, _), count in restarts.items() if role == Process.Role.FORWARD]
    return {
        "restarts": max(of_forwarding, default=0),
        "threshold": settings.ENV["RECOVERY_CRASH_THRESHOLD"],
        "window_seconds": int(settings.ENV["RECOVERY_CRASH_WINDOW_SECONDS"]),
    }


def _process(row: Process, restarts: int) -> dict[str, Any]:
    return {
        "role": row.role,
        "node": row.node,
        "pid": row.pid,
        "started_at": _time(row.started_at),
        "last_seen_at": _time(row.last_seen_at),
        "restarts": restarts,
    }


def _destination(row: Destination, counts: list[Counts], now: datetime) -> dict[str, Any]:
    oldest = min((count.oldest_at for count in counts if count.oldest_at), default=now)
    return {
        "name": row.name,
        "type": row.type,
        "enabled": row.enabled,
        "state": row.health.state,
        "pending": sum(count.pending for count in counts),
        "oldest_age_seconds": round(max(0.0, (now - oldest).total_seconds()), 3),
        "failed": sum(count.failed for count in counts),
        "waiting": sum(count.waiting for count in counts),
        "aborted": sum(count.aborted for count in counts),
        "breaker": row.health.breaker,
        "last_error": row.health.last_error,
    }


def _connection(row: Connection, counts: Counts) -> dict[str, Any]:
    return {
        "source": row.source.name,
        "destination": row.destination.name,
        "accepted": counts.accepted,
        "delivered": counts.delivered,
        "pending": counts.pending,
        "failed": counts.failed,
        "waiting": counts.waiting,
        "aborted": counts.aborted,
        "filtered": counts.filtered,
        "skipped": counts.skipped,
        "difference": counts.difference,
    }


def _incident(row: Incident) -> dict[str, Any]:
    return {
        "key": row.key,
        "kind": row.kind,
        "severity": row.severity,
        "opened_at": _time(row.opened_at),
        "summary": row.summary,
    }


def _retention() -> dict[str, Any]:
    """How long the log is kept, and who is owed events that are about to go or are kept longer for its sake."""
    raw: Any = connection  # its cursors do as well, and raise Django's errors
    return {
        "days": settings.ENV["RETENTION_DAYS"],
        "policy": settings.ENV["RETENTION_POLICY"],
        "needed": [
            {"day": str(need.day), "by": need.by, "because": need.because, "goes_on": str(retention.goes_on(need.day))}
            for need in retention.nearing(raw)
        ],
    }


def _time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
