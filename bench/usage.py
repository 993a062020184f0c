"""CPU time by role, and of what has nothing to do with the measurement, from the kernel's books."""

import contextlib
import os
import time

import psutil

ROLES = ("web", "forward", "postgres", "valkey")


def cpu_seconds(pids: dict[str, int]) -> dict[str, float]:
    """User and system seconds of each role's process tree so far, ended children included."""
    return {role: _tree(pids[role]) for role in ROLES if role in pids}


class Others:
    """How many CPUs other programs keep busy meanwhile: above a few tenths the numbers say little."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids
        self._started_at, self._before = time.monotonic(), self._seconds()

    def cpus(self) -> float:
        """On average since the start."""
        return max(0.0, (self._seconds() - self._before) / (time.monotonic() - self._started_at))

    def _seconds(self) -> float:
        machine, own = psutil.cpu_times(), os.times()
        busy = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0) - getattr(machine, "guest", 0.0)
        return float(busy - sum(own[:4]) - sum(_tree(pid) for pid in self._pids))


def _tree(pid: int) -> float:
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total
