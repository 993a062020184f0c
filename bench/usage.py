"""CPU time of the processes of a stack, by role, from the kernel's books."""

import contextlib

import psutil

ROLES = ("web", "forward", "postgres", "valkey")


def cpu_seconds(pids: dict[str, int]) -> dict[str, float]:
    """User and system seconds of each role's process tree so far, ended children included."""
    return {role: _tree(pids[role]) for role in ROLES if role in pids}


def _tree(pid: int) -> float:
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total
