"""Nothing to do: what all processes take then."""

import time

from bench import usage
from bench.scenarios.scenario import Run
from bench.server import Server

SETTLE_SECONDS = 10.0
LENGTHS = 4  # of an ordinary run: a minute, with its 15 seconds


def idle(server: Server, seconds: float) -> Run:
    """CPU of all processes in per cent of a core, and their memory, in total and by role."""
    time.sleep(SETTLE_SECONDS)
    clock, before, began = usage.Clock([*server.pids().values()]), usage.cpu_seconds(server.pids()), time.monotonic()
    time.sleep(seconds * LENGTHS)
    after, elapsed = usage.cpu_seconds(server.pids()), time.monotonic() - began
    percent = {role: round(100 * (after[role] - before[role]) / elapsed, 2) for role in after}
    memory = {role: size // 2**20 for role, size in usage.memory_bytes(server.pids()).items()}
    return {
        "seconds": round(elapsed, 1),
        "idle_percent": round(sum(percent.values()), 2),
        "idle_percent_by_role": percent,
        "memory_mib": sum(memory.values()),
        "memory_mib_by_role": memory,
        **clock.cpus(),
    }
