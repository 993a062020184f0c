"""Time that no correction of the wall clock moves: seconds since the machine's boot, and which boot that was."""

import time
import uuid
from pathlib import Path
from typing import Any

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_id() -> str:
    """What tells two boots of this machine apart; without the kernel's word, the machine."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return f"{uuid.getnode():x}"


def seconds() -> float:
    """Since the boot, sleep included."""
    return time.clock_gettime(_CLOCK)


def moment() -> dict[str, Any]:
    """Now, as a record keeps it."""
    return {"boot": boot_id(), "seconds": seconds(), "wall": time.time()}


def age(noted: dict[str, Any]) -> float:
    """How many seconds ago a noted moment was; only after another boot by the wall clock."""
    passed = seconds() - noted["seconds"] if noted["boot"] == boot_id() else time.time() - noted["wall"]
    return max(0.0, float(passed))
