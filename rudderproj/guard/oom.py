"""Whether the kernel killed for want of memory meanwhile: how often it has, for our control group, else the machine."""

from pathlib import Path

_GROUPS = Path("/proc/self/cgroup")
_ROOT = Path("/sys/fs/cgroup")


def kills() -> int:
    """So many until now; 0 where it cannot be told."""
    for path in (*_counters(), Path("/proc/vmstat")):
        try:
            lines = path.read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0


def _counters() -> list[Path]:
    """Of the control group, in either version; within a container it is mounted as the root."""
    found = []
    try:
        groups = [line.split(":", 2) for line in _GROUPS.read_text().splitlines()]
    except OSError:
        return []
    for _, controllers, path in groups:
        if "memory" in controllers.split(","):
            folder, name = _ROOT / "memory", "memory.oom_control"
        elif not controllers:
            folder, name = _ROOT, "memory.events"
        else:
            continue
        found += [folder / path.lstrip("/") / name, folder / name]
    return found
