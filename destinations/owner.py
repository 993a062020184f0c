"""Who holds a claim, and whether it is certainly dead: only a process of this very machine and boot can be known dead.

Lets a crashed worker's lanes go on within a second where the next link runs beside it; elsewhere the lease runs out.
Must never call a process dead that it cannot see, nor one whose death is about to be recorded with what it held: its
lanes must not be worked on before its suspects are known.
"""

import functools
import os
from pathlib import Path

from rudderproj import flight

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
    """The parent is who records this process's death, and takes its file away then."""
    return f"{_namespace()} {pid} {_started(pid)} {os.getppid()} {flight.path_of(pid) or ''}"


def me() -> str:
    """This process, as the owner of a claim."""
    return _described(os.getpid())


def is_dead(owner: str) -> bool:
    """Whether `owner` (from me()) ran here, has ended, and was seen to; False when in doubt."""
    namespace, pid, started, parent, left = (*owner.split(" ", 4), "", "", "", "")[:5]
    if not namespace or namespace != _namespace() or not pid.isdigit():
        return False
    found = _started(int(pid))
    is_gone = found != started if found else not _hidden(int(pid))
    return is_gone and not (left and _started(int(parent)) and flight.read(Path(left)))


def _hidden(pid: int) -> bool:
    """Whether it is a living process of another user: /proc may be mounted so that it does not show."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except ProcessLookupError:
        pass
    return False
