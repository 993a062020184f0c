"""The service mode: reading it, and the only place that changes it.

A change and its history are one statement, guarded, so that of two who ask for the same change one is told that it was
so already. Must never know what the mode means to others: they read it.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, connection

from alerts.models import Mode

NORMAL, DEGRADED = Mode.Value.NORMAL.value, Mode.Value.DEGRADED.value

_SET = """
WITH changed AS (
    UPDATE alerts_mode m SET mode = %(mode)s, since = now(), reason = %(reason)s, actor = %(actor)s
    FROM (SELECT id, mode FROM alerts_mode WHERE mode <> %(mode)s FOR UPDATE) old
    WHERE m.id = old.id
    RETURNING m.since, old.mode AS from_mode
)
INSERT INTO alerts_modechange (at, from_mode, to_mode, reason, actor)
SELECT since, from_mode, %(mode)s, %(reason)s, %(actor)s FROM changed
"""


@dataclass(frozen=True, slots=True)
class CurrentMode:
    """What the service does now, since when, why and who said so."""

    mode: str
    since: datetime
    reason: str
    actor: str

    @property
    def forwards(self) -> bool:
        """Whether links may claim lanes."""
        return self.mode == NORMAL


def current() -> CurrentMode:
    """The mode as the database has it. Raises django.db.DatabaseError when it is away."""
    return CurrentMode(*Mode.objects.values_list("mode", "since", "reason", "actor").get())


def for_health() -> str:
    """NORMAL or DEGRADED, for a thread that asks for ever: a connection that failed is replaced next time."""
    try:
        return current().mode.upper()
    except DatabaseError:
        connection.close()
        raise


def set_mode(mode: str, reason: str, actor: str) -> bool:
    """Change the mode and write its history; False if it was so already. Raises ValueError for an unknown mode."""
    if mode not in Mode.Value.values:
        raise ValueError(f"unknown mode, expected one of {', '.join(Mode.Value.values)}")
    with connection.cursor() as cursor:
        cursor.execute(_SET, {"mode": mode, "reason": reason, "actor": actor})
        return bool(cursor.rowcount)
