"""Who holds a claim, and whether it is certainly dead: only a process of this very machine and boot can be known dead.

Lets a crashed worker's lanes go on within a second where the next link runs beside it; elsewhere the lease runs out.
Must never call a process dead that it cannot see.
"""

import functools
import os
from pathlib import Path

_START_TICKS = 19  # place of the start time in /proc/PID/stat, counted after the command


def _namespace() -> str:
    """This boot and process namespace; empty where there is no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When the process started, in ticks since boot; empty when it cannot be seen, or is a zombie."""
    try:
        after_command = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return ""
    return "" if after_command[0] == "Z" else after_command[_START_TICKS]


@functools.lru_cache(maxsize=1)
def _described(pid: int) -> str:
    return f"{_namespace()} {pid} {_started(pid)}"


def me() -> str:
    """This process, as the owner of a claim."""
    return _described(os.getpid())


def is_dead(owner: str) -> bool:
    """Whether `owner` (from me()) ran here and has ended; False when in doubt."""
    namespace, _, rest = owner.partition(" ")
    pid, _, started = rest.partition(" ")
    if not namespace or namespace != _namespace() or not pid.isdigit():
        return False
    if found := _started(int(pid)):
        return found != started
    return not _hidden(int(pid))


def _hidden(pid: int) -> bool:
    """Whether it is a living process of another user: /proc may be mounted so that it does not show."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except ProcessLookupError:
        pass
    return False
