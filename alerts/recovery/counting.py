"""How often each process came back after a crash lately, and whether that is too often.

Counts what the guards and workers wrote (alerts.recovery.models); must never write anything itself.
"""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection

FORWARD = "forward"

# What an event or a destination explains counts no more, and what may yet be explained not yet. When forwarding has
# been brought back, who crashed before does not count again, also if it comes back after. Nor does what is yet to come:
# the database's clock has been set back.
_RESTARTS = """
SELECT c.role, c.node,
    count(*) FILTER (WHERE c.restarted_at > now() - make_interval(secs => %(window)s)) AS recent,
    count(*) AS longer,
    array_agg(c.id::text ORDER BY c.restarted_at) AS crashes,
    m.since,
    m.mode = 'normal' AND coalesce(m.probation_until > now(), false) AS on_probation
FROM alerts_crash c CROSS JOIN alerts_mode m
WHERE c.restarted_at > now() - make_interval(secs => %(long)s) AND c.restarted_at <= now() AND c.explained = ''
    AND (c.suspected_until IS NULL OR c.suspected_until <= now())
    AND (c.role <> 'forward' OR m.mode <> 'normal' OR c.at > m.since)
GROUP BY c.role, c.node, m.since, m.mode, m.probation_until
ORDER BY c.role, c.node
"""


@dataclass(frozen=True, slots=True)
class Restarts:
    """The restarts after a crash that count, of one process. `crashes`: their ids, oldest first."""

    role: str
    node: str
    recent: int  # in RECOVERY_CRASH_WINDOW_SECONDS
    longer: int  # in RECOVERY_CRASH_LONG_WINDOW_SECONDS, those included
    crashes: list[str]
    mode_since: datetime
    on_probation: bool


@dataclass(frozen=True, slots=True)
class Loop:
    """A process that restarts too often. `mode_since`: since when the mode was, as it was counted."""

    role: str
    node: str
    restarts: int
    seconds: float
    crashes: list[str]
    mode_since: datetime

    def __str__(self) -> str:
        times = "restart" if self.restarts == 1 else "restarts"
        return f"{self.restarts} {times} of {self.node} in {self.seconds:.0f} s"


def restarts() -> list[Restarts]:
    """Of each process that has any in the long window. Raises django.db.DatabaseError."""
    window, long = _windows()
    with connection.cursor() as cursor:
        cursor.execute(_RESTARTS, {"window": window, "long": max(window, long)})
        return [Restarts(*row) for row in cursor.fetchall()]


def loops() -> list[Loop]:
    """The processes whose restarts are too many now. Raises django.db.DatabaseError."""
    return [loop for found in restarts() if (loop := loop_of(found))]


def loop_of(found: Restarts) -> Loop | None:
    """What makes these restarts too many; None as long as they are not. On probation one is."""
    (window, long), threshold = _windows(), settings.ENV["RECOVERY_CRASH_THRESHOLD"]
    counted: tuple[int, float] | None = None
    if found.recent >= threshold:
        counted = found.recent, window
    elif found.longer > threshold or (found.role == FORWARD and found.on_probation):
        counted = found.longer, long
    if counted is None:
        return None
    return Loop(found.role, found.node, *counted, found.crashes[-counted[0] :], found.mode_since)


def _windows() -> tuple[float, float]:
    env = settings.ENV
    return env["RECOVERY_CRASH_WINDOW_SECONDS"], env["RECOVERY_CRASH_LONG_WINDOW_SECONDS"]
