"""The supervisor: its configuration, its start, its end.

Programs are data, so that the tests can supervise small ones. Must never put a secret into the configuration:
children inherit the environment.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import launch, processes, unprivileged
from .datadir import DataDir, last_line, write_private
from .errors import StackError
from .saved import ROOT


@dataclass(frozen=True)
class Program:
    """One supervised process. Groups of lower priority start earlier and stop later."""

    name: str
    command: tuple[str, ...]
    group: str
    priority: int
    stop_seconds: int
    stop_signal: str = "TERM"
    gated: bool = True
    run_as: str = unprivileged.AS_SELF


@dataclass
class Supervisor:
    """A running supervisord and the programs below it."""

    process: subprocess.Popen[bytes]
    data: DataDir
    patience_seconds: float

    def ended(self) -> StackError:
        """Why we cannot go on once it has gone without being asked to."""
        code = self.process.returncode
        why = f"killed by signal {-code}" if code < 0 else last_line(self.data.log(processes.SUPERVISOR))
        return StackError(f"the supervisor ended ({why}); everything was stopped, start again")

    def stop(self) -> None:
        """Stop everything in order; returns when no process is left."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(self.patience_seconds)
        self.clean_up()

    def hurry(self) -> None:
        """Stop waiting for programs: kill them. PostgreSQL still shuts down in order."""
        for pid, name in processes.ours(self.data.run, self.data.marker).items():
            if name not in (processes.SUPERVISOR, processes.POSTGRES):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)

    def clean_up(self) -> None:
        """End whatever is left, also after the supervisor itself was killed."""
        processes.end_all(self.data.run, self.data.marker, patience_seconds=5.0)
        self.process.wait()


def start(data: DataDir, programs: Sequence[Program], environ: dict[str, str]) -> Supervisor:
    """Start supervisord in a session of its own, so that Ctrl-C reaches only its parent."""
    gate_path(data).unlink(missing_ok=True)
    conf = data.run / "supervisord.conf"
    write_private(conf, render(data, programs))
    program = (sys.executable, "-m", f"{__package__}.supervisord", "-n", "-c", str(conf))
    process = subprocess.Popen(
        launch.command(processes.SUPERVISOR, data.run, program, "--die-with-parent"),
        env=environ | {processes.MARKER_VARIABLE: f"{data.marker}:{processes.SUPERVISOR}"},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=data.log("supervisord").open("ab"),
        start_new_session=True,
    )
    return Supervisor(process, data, 30.0 + sum(program.stop_seconds for program in programs))


def gate_path(data: DataDir) -> Path:
    """Gated programs wait until this file exists: the schema must be there before they start."""
    return data.run / "gate"


def render(data: DataDir, programs: Sequence[Program]) -> str:
    """supervisord.conf. Never gives up on a program: `startsecs=0` knows no failed start, launch.py sets the pace."""
    settings = {
        "nodaemon": "true",
        "silent": "true",
        "logfile": data.log("supervisord"),
        "logfile_maxbytes": "5MB",
        "logfile_backups": 2,
        "pidfile": data.run / "supervisord.pid",
        "childlogdir": data.logs,
        "nocleanup": "true",
    }
    if os.geteuid() == 0:
        settings["user"] = "root"
    sections = [_section("supervisord", settings)]
    groups: dict[str, list[Program]] = {}
    for program in programs:
        groups.setdefault(program.group, []).append(program)
        sections.append(_section(f"program:{program.name}", _program(data, program)))
    for name, members in groups.items():
        names = ",".join(member.name for member in members)
        priority = min(member.priority for member in members)
        sections.append(_section(f"group:{name}", {"programs": names, "priority": priority}))
    return "\n".join(sections)


def _program(data: DataDir, program: Program) -> dict[str, object]:
    options = ["--run-as", program.run_as]
    if program.gated:
        options += ["--gate", str(gate_path(data))]
    return {
        "command": shlex.join(launch.command(program.name, data.run, program.command, *options)),
        "directory": ROOT,
        "priority": program.priority,
        "autorestart": "true",
        "startsecs": 0,
        "startretries": 2**31,
        "stopsignal": program.stop_signal,
        "stopwaitsecs": program.stop_seconds,
        "stopasgroup": "false",
        "killasgroup": "true",
        "redirect_stderr": "true",
        # Unlike other values this one is expanded twice.
        "stdout_logfile": str(data.log(program.name)).replace("%", "%%"),
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": 3,
    }


def _section(name: str, settings: dict[str, object]) -> str:
    lines = [f"{key} = {str(value).replace('%', '%%')}" for key, value in settings.items()]
    return "\n".join([f"[{name}]", *lines, ""])
