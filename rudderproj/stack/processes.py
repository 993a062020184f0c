"""Who is ours: records of started processes, and ending what an earlier run left behind.

A process is ours when its recorded pid still has the recorded start time, or when its environment carries the
marker of this data folder (which finds the children of a killed parent). Must never end anything else.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from .datadir import write_private

MARKER_VARIABLE = "RUDDERPROJ_STACK"
SUPERVISOR = "supervisord"
POSTGRES = "postgres"


def start_token(pid: int) -> str | None:
    """What tells two holders of one pid apart; None when there is no such process."""
    if sys.platform != "linux":
        try:
            return str(psutil.Process(pid).create_time())
        except psutil.Error:
            return None
    try:
        # Clock ticks since boot: unlike a wall-clock time it never moves.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (OSError, ValueError):
        return None
    return None if fields[0] == "Z" else f"{boot}:{fields[19]}"


def record(run_dir: Path, name: str, marker: str) -> None:
    """Note that this process is `name`. Survives exec, which keeps pid and start time."""
    known = {"pid": os.getpid(), "started": start_token(os.getpid()), "marker": marker, "at": time.time()}
    write_private(run_dir / f"{name}.json", json.dumps(known))


def recorded(run_dir: Path, name: str, marker: str) -> int | None:
    """The pid last recorded for `name` if that very process is still there."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        known = json.loads((run_dir / f"{name}.json").read_text())
        if known["marker"] == marker and known["started"] and start_token(known["pid"]) == known["started"]:
            return int(known["pid"])
    return None


def last_start_at(run_dir: Path, name: str) -> float:
    """Unix time of the last recorded start of `name`, 0.0 if never."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return float(json.loads((run_dir / f"{name}.json").read_text())["at"])
    return 0.0


def ours(run_dir: Path, marker: str) -> dict[int, str]:
    """Every live process of this data folder as {pid: name}."""
    found = {}
    for path in run_dir.glob("*.json"):
        pid = recorded(run_dir, path.stem, marker)
        if pid is not None and pid != os.getpid():
            found[pid] = path.stem
    return marked(f"{marker}:") | found


def marked(prefix: str) -> dict[int, str]:
    """Other processes whose marker starts with `prefix`, as {pid: name}."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            value = process.environ().get(MARKER_VARIABLE, "")
            if process.pid != os.getpid() and value.startswith(prefix) and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = value.rpartition(":")[2]
    return found


def end_all(run_dir: Path, marker: str, patience_seconds: float) -> int:
    """End every process of this data folder, gently first; how many there were."""
    found = ours(run_dir, marker)
    for pid, name in found.items():
        # The supervisor first and hard: it would bring back whatever we end.
        if name == SUPERVISOR:
            _signal(pid, signal.SIGKILL)
    for pid, name in found.items():
        # INT is PostgreSQL's fast shutdown: it does not wait for clients.
        if name != SUPERVISOR:
            _signal(pid, signal.SIGINT if name == POSTGRES else signal.SIGTERM)
    wait_gone(found, patience_seconds)
    for pid, name in ours(run_dir, marker).items():
        # QUIT makes the postmaster take its children along.
        _signal(pid, signal.SIGQUIT if name == POSTGRES else signal.SIGKILL)
    wait_gone(found, 2.0)
    for pid in ours(run_dir, marker):
        _signal(pid, signal.SIGKILL)
    return len(found)


def wait_gone(pids: Iterable[int], seconds: float) -> None:
    """Wait until all of them have ended, or for so long."""
    deadline = time.monotonic() + seconds
    waiting = set(pids)
    while waiting and time.monotonic() < deadline:
        waiting = {pid for pid in waiting if start_token(pid) is not None}
        time.sleep(0.02)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
