"""The service mode: reading it, and the only place that changes it.

A change and its history are one statement, guarded, so that of two who ask for the same change one is told that it was
so already. Must never know what the mode means to others: they read it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from django.conf import settings
from django.db import DatabaseError, connection

from alerts.models import Mode

log = structlog.get_logger(__name__)

NORMAL, DEGRADED = Mode.Value.NORMAL.value, Mode.Value.DEGRADED.value
RECOVERY = "recovery"  # the actor of what nobody asked for: alerts.recovery.switch, which may take its own word back

# `seen_since` guards a decision that was made on what the mode was then. The same mode again changes something when an
# operator takes over what recovery said: from then on it is theirs.
_SET = """
WITH changed AS (
    UPDATE alerts_mode m SET mode = %(mode)s, since = now(), reason = %(reason)s, actor = %(actor)s,
        probation_until = now() + make_interval(secs => %(probation)s)
    FROM (SELECT id, mode FROM alerts_mode WHERE (mode <> %(mode)s OR actor = %(recovery)s AND %(actor)s <> actor)
            AND (%(seen_since)s::timestamptz IS NULL OR since = %(seen_since)s) FOR UPDATE) old
    WHERE m.id = old.id
    RETURNING m.since, old.mode AS from_mode
)
INSERT INTO alerts_modechange (at, from_mode, to_mode, reason, actor, crashes)
SELECT since, from_mode, %(mode)s, %(reason)s, %(actor)s, %(crashes)s::jsonb FROM changed
RETURNING from_mode
"""
FORCED_BY = "RSERVER_MODE"


@dataclass(frozen=True, slots=True)
class CurrentMode:
    """What the service does now, and since when, why and by whom the stored mode is what it is.

    `forced`: RSERVER_MODE says what the service does, whatever `stored` is.
    """

    mode: str
    since: datetime
    reason: str
    actor: str
    stored: str
    forced: bool = False

    @property
    def forwards(self) -> bool:
        """Whether links may claim lanes."""
        return self.mode == NORMAL


def forced() -> str:
    """The mode that RSERVER_MODE forces upon this deployment; empty when it does not."""
    return str(settings.ENV["RSERVER_MODE"])


def current() -> CurrentMode:
    """The mode now. Raises django.db.DatabaseError when the database is away."""
    stored, since, reason, actor = Mode.objects.values_list("mode", "since", "reason", "actor").get()
    if by_force := forced():
        return CurrentMode(by_force, since, f"forced by {FORCED_BY}", FORCED_BY, stored, forced=True)
    return CurrentMode(stored, since, reason, actor, stored)


def without_effect() -> str:
    """What to tell who has just changed the stored mode: that it does nothing yet; empty when it does."""
    by_force = forced()
    return f"{FORCED_BY}={by_force} is set: the stored mode has no effect as long as it is" if by_force else ""


def for_health() -> dict[str, str]:
    """The mode for /health, and while it is degraded since when, and, where the public does not ask, why and by whom.

    For a thread that asks for ever: a connection that failed is replaced next time.
    """
    try:
        now = current()
    except DatabaseError:
        connection.close()
        raise
    since = "" if now.forwards else f"{now.since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    is_told = not now.forwards and not settings.ENV["PUBLIC_ONLY"]
    return {
        "mode": now.mode.upper(),
        "modeSince": since,
        "modeReason": now.reason if is_told else "",
        "modeActor": now.actor if is_told else "",
    }


def set_mode(
    mode: str,
    reason: str,
    actor: str,
    *,
    seen_since: datetime | None = None,
    crashes: Sequence[str] = (),
    probation_seconds: float | None = None,
) -> str:
    """Change the stored mode and write its history; the former mode, or "" if nothing changed.

    Nothing does if it was so already, or is not any more as of `seen_since`. The former mode is the same one where an
    operator takes over what recovery said. `crashes`: ids of those that caused it.

    Raises ValueError for an unknown mode.
    """
    if mode not in Mode.Value.values:
        raise ValueError(f"unknown mode, expected one of {', '.join(Mode.Value.values)}")
    values = {"mode": mode, "reason": reason, "actor": actor, "seen_since": seen_since, "recovery": RECOVERY}
    with connection.cursor() as cursor:
        cursor.execute(_SET, values | {"crashes": json.dumps(list(crashes)), "probation": probation_seconds})
        row = cursor.fetchone()
    if row is None:
        return ""
    tell = log.error if mode == DEGRADED else log.warning
    tell("mode.changed", mode=mode, former=row[0], reason=reason, actor=actor, crashes=list(crashes))
    return str(row[0])
