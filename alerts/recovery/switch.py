"""The switch: degraded when forwarding keeps crashing, and, where an operator wants that, back after a quiet time.

Receives threshold_reached. Must never act while RSERVER_MODE forces a mode: a crash loop would change what is stored.
"""

from typing import Any

from django.conf import settings
from django.db import connection

from alerts import modes, processes
from alerts.recovery.counting import FORWARD, Loop
from alerts.recovery.signals import threshold_reached

# Since when recovery's own degraded mode has been, if forwarding has not crashed for so long, nor come back. A worker
# that is down is not quiet: one must live, and none lie dead that an orchestrator lets wait before its next start.
_QUIET = """
SELECT m.since FROM alerts_mode m
WHERE m.mode = 'degraded' AND m.actor = %(actor)s AND m.since <= now() - make_interval(secs => %(seconds)s)
    AND NOT EXISTS (SELECT FROM alerts_crash c WHERE c.role = 'forward'
        AND greatest(c.at, c.restarted_at) > now() - make_interval(secs => %(seconds)s))
    AND EXISTS (SELECT FROM alerts_process p WHERE p.role = 'forward'
        AND p.last_seen_at > now() - make_interval(secs => %(gone)s))
    AND NOT EXISTS (SELECT FROM alerts_life l WHERE l.role = 'forward' AND l."end" = 'crashed'
        AND l.ended_at > now() - make_interval(secs => %(back_off)s))
"""


def connect() -> None:
    """Called once, when the app is ready."""
    threshold_reached.connect(degrade, dispatch_uid="alerts.recovery.switch")


def leads_to_degraded(loop: Loop) -> bool:
    """Whether this loop is ended by degraded mode; otherwise it is an incident of its own."""
    return loop.role == FORWARD and settings.ENV["RECOVERY_ENABLED"] and not modes.forced()


def degrade(loop: Loop, **_: Any) -> None:
    """Stop forwarding. Of several that are told of the same loop one does it; nobody after an operator has acted."""
    if leads_to_degraded(loop):
        modes.set_mode(modes.DEGRADED, str(loop), modes.RECOVERY, seen_since=loop.mode_since, crashes=loop.crashes)


def resume_when_quiet() -> None:
    """Forward again, on probation, after RECOVERY_AUTO_RESUME_SECONDS without a crash of forwarding."""
    seconds = settings.ENV["RECOVERY_AUTO_RESUME_SECONDS"]
    if not seconds or modes.forced():
        return
    with connection.cursor() as cursor:
        back_off = settings.ENV["RECOVERY_CRASH_LONG_WINDOW_SECONDS"]
        values = {"actor": modes.RECOVERY, "seconds": seconds, "gone": processes.GONE_SECONDS, "back_off": back_off}
        cursor.execute(_QUIET, values)
        row = cursor.fetchone()
    if row:
        reason = f"no crash for {seconds:.0f} s"
        modes.set_mode(modes.NORMAL, reason, modes.RECOVERY, seen_since=row[0], probation_seconds=seconds)
