"""When the software itself keeps failing: lives and crashes of processes, and when there are too many of them.

The public calls; the models are in alerts.models. Must import nothing at import: the models are loaded through here.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alerts.recovery.counting import Loop, Restarts


def evaluate() -> None:
    """Look whether a process restarts too often, or has long enough not, and do what follows. Cheap: call it often.

    Raises django.db.DatabaseError.
    """
    from alerts.recovery import evaluation

    evaluation.evaluate()


def loops() -> "list[Loop]":
    """The processes of any role that restart too often now. Raises django.db.DatabaseError."""
    from alerts.recovery import counting

    return counting.loops()


def restarts() -> "list[Restarts]":
    """Restarts after a crash inside the windows, of each process that has any. Raises django.db.DatabaseError."""
    from alerts.recovery import counting

    return counting.restarts()
