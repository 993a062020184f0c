"""The application's own processes, as data for the supervisor; those whose restarts count have a guard each."""

import sys
from pathlib import Path

from .environment import Settings
from .supervise import Program

# In memory, not 100,000 tasks: it grew by 12 MiB in half an hour. And our workers send events unasked.
FLOWER = ("--max-tasks=1000", "--enable_events=False")


def application(chosen: Settings, data_root: Path) -> list[Program]:
    """Web and workers stop first, then beat and Flower; services (other groups) last."""
    guard = (sys.executable, "-m", "rudderproj.guard", "--role")
    celery = (sys.executable, "-m", "celery", "-A", "rudderproj")
    worker = (*celery, "worker", "--without-gossip", "--without-mingle", "-O", "fair", "--pool", "prefork")
    autoscale = chosen.forward_autoscale
    schedule = str(data_root / "run" / "beat-schedule")
    return [
        Program("beat", (*guard, "beat", "--", *celery, "beat", "-s", schedule), "background", 30, 10),
        Program("flower", (*celery, "flower", *FLOWER), "background", 30, 10),
        Program("web", (*guard, "web", "--", sys.executable, "-m", "rudderproj.server"), "work", 40, 30),
        Program(
            "forward",
            (*guard, "forward", "--", *worker, "-Q", "forward", "-n", "forward@%h", "--autoscale", autoscale),
            "work",
            40,
            75,  # a link's budget, one request of 60 s, as a webhook may want, and a checkpoint
        ),
        Program(
            "alerts", (*guard, "alerts", "--", *worker, "-Q", "alerts", "-n", "alerts@%h", "-c", "2"), "work", 40, 30
        ),
    ]
