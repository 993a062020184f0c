"""The application's own processes, as data for the supervisor."""

import sys
from pathlib import Path

from .environment import Settings
from .supervise import Program


def application(chosen: Settings, data_root: Path) -> list[Program]:
    """Web and workers stop first, then beat and Flower; services (other groups) last."""
    celery = (sys.executable, "-m", "celery", "-A", "rudderproj")
    lean = ("--without-gossip", "--without-mingle", "-O", "fair", "--pool", "prefork")
    schedule = str(data_root / "run" / "beat-schedule")
    return [
        Program("beat", (*celery, "beat", "-s", schedule), "background", 30, 10),
        Program("flower", (*celery, "flower"), "background", 30, 10),
        Program("web", (sys.executable, "-m", "rudderproj.server"), "work", 40, 30),
        Program(
            "forward",
            (*celery, "worker", "-Q", "forward", "-n", "forward@%h", *lean, "--autoscale", chosen.forward_autoscale),
            "work",
            40,
            60,
        ),
        Program("alerts", (*celery, "worker", "-Q", "alerts", "-n", "alerts@%h", *lean, "-c", "2"), "work", 40, 30),
    ]
