"""Crash reports told to Sentry, each once, by upkeep: whoever stored them may have been dying.

Upkeep runs once in the whole deployment; and a report that is sent again, because its process died before it was noted,
has the same id there.
"""

from typing import TYPE_CHECKING, Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from alerts.models import Crash
from alerts.recovery import report
from rudderproj import sentry
from rudderproj.upkeep import Chore

if TYPE_CHECKING:
    from sentry_sdk.types import Event

AT_ONCE = 20
_LATE = "1 day"  # older ones are not told: Sentry was switched on, or was away, for too long
_UNTOLD = f"""
SELECT id FROM alerts_crash WHERE sentry_at IS NULL AND at > now() - interval '{_LATE}' ORDER BY at LIMIT {AT_ONCE}
"""


def chore() -> Chore:
    """The chore that tells them."""
    return Chore("crash_reports_sent", tell)


def tell(raw: Connection) -> int:
    """Send what was not sent yet; how many arrived. The first that does not ends it for now."""
    sentry.start("upkeep")
    done = 0
    with raw.cursor() as cursor:
        cursor.execute(_UNTOLD)
        for (pk,) in cursor.fetchall():
            if not sentry.send(event(Crash.objects.get(pk=pk))):
                break
            cursor.execute("UPDATE alerts_crash SET sentry_at = now() WHERE id = %s", [str(pk)])
            done += 1
    return done


def event(crash: Crash) -> "Event":
    """A crash report as Sentry takes it. Crashes of one role that ended in the same way are one issue."""
    whole: dict[str, Any] = report.content(crash)
    how = crash.signal or f"status {crash.exit_status}"
    last = crash.traceback.splitlines()[-1].partition(":")[0] if crash.traceback else ""
    tags = {name: str(whole[name]) for name in ("role", "node", "kind", "signal", "is_oom", "mode", "verdict")}
    texts = ("traceback", "log", "in_flight_named", "environment", "why", "exit_status", "uptime_seconds")
    return {
        "event_id": crash.pk.hex,
        "level": "fatal",
        "timestamp": crash.at,
        "server_name": crash.node,
        "logentry": {"message": str(crash), "params": []},
        "tags": tags,
        "extra": {name: whole[name] for name in texts},
        "fingerprint": ["crash", crash.role, crash.kind, how, last],
    }
