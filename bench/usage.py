"""CPU time and memory by role, and the CPU time of what has nothing to do with the measurement: the kernel's books."""

import contextlib
import os
import time
from collections.abc import Iterable, Mapping

import psutil

ROLES = ("web", "forward", "postgres", "valkey")  # what else there is, is told together, as `rest`


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """User and system seconds of each role's process tree so far, ended children included; `rest` is all others'."""
    return {role: _cpu_seconds(processes) for role, processes in _by_role(pids).items()}


def memory_bytes(pids: Mapping[str, int]) -> dict[str, int]:
    """The same of memory; what processes share is divided among them where the system tells (Linux)."""
    return {role: _memory(processes) for role, processes in _by_role(pids).items()}


def of_trees(pids: Iterable[int]) -> float:
    """User and system seconds of processes and their descendants so far, ended ones included, and nobody's twice."""
    return _cpu_seconds(_processes(pids))


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
        return float(busy), sum(own[:4]) + of_trees(self._pids)


def _by_role(pids: Mapping[str, int]) -> dict[str, set[psutil.Process]]:
    """A supervisor has the roles below itself: `rest` is what is no role's."""
    found = {role: _processes([pids[role]]) for role in ROLES if role in pids}
    rest = _processes(pid for name, pid in pids.items() if name not in ROLES).difference(*found.values())
    return found | ({"rest": rest} if rest else {})


def _cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _memory(processes: Iterable[psutil.Process]) -> int:
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            memory = process.memory_full_info()
            total += getattr(memory, "pss", memory.uss)
    return total


def _processes(pids: Iterable[int]) -> set[psutil.Process]:
    found: set[psutil.Process] = set()
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(pid)
            found.update([root, *root.children(recursive=True)])
    return found
