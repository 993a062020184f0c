"""CPU time and memory by role, and the CPU time of what has nothing to do with the measurement: the kernel's books."""

import contextlib
import os
import time
from collections.abc import Mapping

import psutil

ROLES = ("web", "forward", "postgres", "valkey")
REST = ("alerts", "beat", "flower")  # told together, as `rest`


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """User and system seconds of each role's process tree so far, ended children included."""
    rest = [of_tree(pids[role]) for role in REST if role in pids]
    return {role: of_tree(pids[role]) for role in ROLES if role in pids} | ({"rest": sum(rest)} if rest else {})


def memory_bytes(pids: Mapping[str, int]) -> dict[str, int]:
    """Of each role's process tree; what processes share is divided among them where the system tells (Linux)."""
    rest = [_memory(pids[role]) for role in REST if role in pids]
    return {role: _memory(pids[role]) for role in ROLES if role in pids} | ({"rest": sum(rest)} if rest else {})


def of_tree(pid: int) -> float:
    """User and system seconds of a process and its descendants so far, ended ones included."""
    total = 0.0
    for process in _processes(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


class Clock:
    """How many CPUs were busy since its start: with everything, and with what is none of ours."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids
        self._started_at, self._before = time.monotonic(), self._seconds()

    def cpus(self) -> dict[str, float]:
        """On average: `busy_cpus` of the whole machine, of which `other_cpus` with other programs.

        With more than a few tenths for others, the figures say little.
        """
        elapsed = time.monotonic() - self._started_at
        busy, ours = (now - before for now, before in zip(self._seconds(), self._before, strict=True))
        return {"busy_cpus": round(busy / elapsed, 2), "other_cpus": round(max(0.0, busy - ours) / elapsed, 2)}

    def _seconds(self) -> tuple[float, float]:
        machine, own = psutil.cpu_times(), os.times()
        busy = sum(machine) - machine.idle - getattr(machine, "iowait", 0.0) - getattr(machine, "guest", 0.0)
        return float(busy), sum(own[:4]) + sum(of_tree(pid) for pid in self._pids)


def _memory(pid: int) -> int:
    total = 0
    for process in _processes(pid):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            memory = process.memory_full_info()
            total += getattr(memory, "pss", memory.uss)
    return total


def _processes(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    return []
