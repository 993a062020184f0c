"""Becomes one process of the stack: the supervisor starts every program through here.

Owns what has to happen in the process itself before exec: its record, the end of what an earlier life left behind,
the pace of restarts. Must never outlive the exec, and never write to the terminal.
"""

import argparse
import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys
import time
from pathlib import Path

from . import processes, unprivileged

# A program that dies at once comes back for ever, at this pace.
RESTART_PAUSE_SECONDS = 1.0
OPEN_FILES = 65536
PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Prepare and exec; returns only by an exception."""
    # The supervisor stops PostgreSQL by INT, which may arrive before the exec.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    options = _parser().parse_args(argv)
    marker = os.environ[processes.MARKER_VARIABLE].partition(":")[0]
    pause = processes.last_start_at(options.run_dir, options.name) + RESTART_PAUSE_SECONDS - time.time()
    time.sleep(min(max(pause, 0.0), RESTART_PAUSE_SECONDS))
    _end_former_life(f"{marker}:{options.name}")
    # A full disk must not keep a process down: the marker alone identifies it too.
    with contextlib.suppress(OSError):
        processes.record(options.run_dir, options.name, marker)
    if options.die_with_parent:
        _die_with_parent()
    while options.gate and not options.gate.exists():
        time.sleep(0.05)
    _raise_open_files()
    os.environ[processes.MARKER_VARIABLE] = f"{marker}:{options.name}"
    if options.name != processes.SUPERVISOR:
        os.environ["NODE_ID"] = f"{os.environ.get('NODE_ID') or socket.gethostname()}-{options.name}-1"
    unprivileged.enter(options.run_as)
    os.execv(options.command[0], options.command)


def command(name: str, run_dir: Path, program: tuple[str, ...], *options: str) -> list[str]:
    """The command line that runs `program` (absolute path first) as `name`."""
    head = [sys.executable, "-m", f"{__package__}.launch", "--name", name, "--run-dir", str(run_dir)]
    return [*head, *options, "--", *program]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="launch")
    parser.add_argument("--name", required=True)
    parser.add_argument("--run-dir", required=True, type=Path)
    parser.add_argument("--gate", type=Path, help="wait until this file exists")
    parser.add_argument("--run-as", default=unprivileged.AS_SELF)
    parser.add_argument("--die-with-parent", action="store_true")
    parser.add_argument("command", nargs="+")
    return parser


def _end_former_life(marked_as: str) -> None:
    # Workers of a killed parent may hold its port; nothing of the same name may run beside us.
    former = processes.marked(marked_as)
    for pid in former:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    processes.wait_gone(former, 5.0)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if parent == 1 or os.getppid() != parent:
            sys.exit("the process that started this one is gone")


def _raise_open_files() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    main(sys.argv[1:])
