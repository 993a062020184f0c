"""One look at the restarts: who reaches the threshold is told to whoever listens, and a quiet time ends a switch.

Must never change the mode itself: alerts.recovery.switch does.
"""

from alerts.recovery import counting, switch
from alerts.recovery.signals import threshold_reached

_told: dict[tuple[str, str], str] = {}  # the newest crash that each process's loop was told with


def evaluate() -> None:
    """Send threshold_reached for each process that restarts too often, once for each restart; end a quiet switch.

    Raises django.db.DatabaseError, or what a receiver raises: then it is told again at the next look.
    """
    for loop in counting.loops():
        newest = loop.crashes[-1]
        if _told.get((loop.role, loop.node)) != newest:
            threshold_reached.send(sender=counting.Loop, loop=loop)
            _told[loop.role, loop.node] = newest
    switch.resume_when_quiet()
