"""What the numbers were measured on, and how fast that was just then."""

import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil

ROUNDS = 300_000
TRIES = 5


def described() -> dict[str, Any]:
    """The machine, with its `calibration`."""
    return {
        "commit": commit(),
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "calibration": calibration(),
    }


def commit() -> str:
    """Of this checkout, `+` if something in it is not committed; empty outside of one."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return ""
    return done.stdout.strip()


def _processor() -> str:
    """As Linux calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def calibration() -> dict[str, float]:
    """A fixed loop of plain Python, best of a few: `cpu_ms` is the speed of a core, `wall_ms` tells of others too.

    Figures of two machines are compared by it: per core, a machine with half of the milliseconds does twice as much.
    """
    tries = [_loop() for _ in range(TRIES)]
    return {"cpu_ms": min(cpu for cpu, _ in tries), "wall_ms": min(wall for _, wall in tries)}


def _loop() -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    found: dict[int, str] = {}
    for number in range(ROUNDS):
        found[number % 1000] = str(number)
    return round((time.process_time() - cpu) * 1000, 1), round((time.perf_counter() - wall) * 1000, 1)
