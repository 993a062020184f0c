"""The product's processes on a database and a broker that are there already, with the command lines of `make run`.

Owns their start, their end and their log files. Must never end a process by anything but its pid.
"""

import contextlib
import json
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from rudderproj.stack import programs
from rudderproj.stack.environment import settings
from tests.e2e import http
from tests.stack.harness import eventually, free_port

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("web", "forward", "alerts", "beat")
STOP_SECONDS = 60
WRITE_KEY = "e2e"
STORED = """
SELECT e.user_key, message_id FROM ingest_event e JOIN ingest_source s ON s.id = e.source_id
WHERE s.write_key = %s ORDER BY xid, position
"""


class Stack:
    """The processes of one machine."""

    def __init__(self, environ: dict[str, str], folder: Path) -> None:
        self.web_port = free_port()
        (folder / "run").mkdir()
        self.environ = environ | {"WEB_PORT": str(self.web_port), "DATA_DIR": str(folder), "PYTHONUNBUFFERED": "1"}
        self._folder = folder
        self._commands = {
            program.name: program.command for program in programs.application(settings(self.environ), folder)
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *roles: str, code: Path = ROOT, user: int | None = None, wait: bool = True, **extra: str) -> None:
        """Start processes; for web, wait until it accepts events unless that is not wanted.

        `code`: a copy of the product to run instead. `user`: who runs it, where that is not oneself.
        """
        no_groups: list[int] | None = None if user is None else []
        for role in roles:
            log = (self._folder / f"{role}.log").open("ab")
            self._processes[role] = subprocess.Popen(
                self._commands[role],
                cwd=code,
                env=self.environ | {"NODE_ID": f"e2e-{role}-1"} | extra,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=user,
                group=user,
                extra_groups=no_groups,
            )
            log.close()
        if wait and "web" in roles:
            eventually(self.is_ready)

    def start_missing(self) -> None:
        """Start what a test has ended."""
        self.start(*(role for role in ROLES if role not in self._processes))

    @property
    def url(self) -> str:
        """Where web is, without a path."""
        return f"http://127.0.0.1:{self.web_port}"

    def is_ready(self) -> bool:
        """Whether /ready answers 200."""
        with contextlib.suppress(OSError):
            return http.ask(self.web_port, "GET", "/ready").status == 200
        return False

    def guard_pid(self, role: str) -> int:
        """What the supervisor or orchestrator sees."""
        return self._processes[role].pid

    def pid(self, role: str) -> int:
        """The process itself, below its guard; waits until it is there."""
        return eventually(psutil.Process(self.guard_pid(role)).children)[0].pid

    def children(self, role: str) -> list[psutil.Process]:
        """The processes of its pool."""
        return psutil.Process(self.pid(role)).children(recursive=True)

    def kill(self, role: str) -> None:
        """SIGKILL its guard and, as the supervisor does before it starts it anew, what is left of it."""
        process = self._processes.pop(role)
        left = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait(STOP_SECONDS)
        for child in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(left, STOP_SECONDS)

    def stop(self, role: str) -> int:
        """End it in order; its exit code."""
        process = self._processes.pop(role)
        process.send_signal(signal.SIGTERM)
        return process.wait(STOP_SECONDS)

    def close(self) -> None:
        """End everything that runs."""
        for process in self._processes.values():
            process.terminate()
        for role in list(self._processes):
            try:
                self._processes[role].wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill(role)

    def manage(self, *arguments: str) -> str:
        """Run a management command; its standard output. Raises CalledProcessError."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environ, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout

    def apply(self, **document: Any) -> None:
        """`manage.py apply` with this document (JSON is YAML)."""
        file = self._folder / "apply.yaml"
        file.write_text(json.dumps(document))
        self.manage("apply", str(file))

    def connect(self, sink_url: str) -> None:
        """One source with WRITE_KEY and one webhook destination behind it."""
        self.apply(
            sources=[{"name": "web", "write_key": WRITE_KEY}],
            destinations=[{"name": "hook", "type": "webhook", "config": {"webhookUrl": sink_url}, "sources": ["web"]}],
        )

    def stored(self, write_key: str) -> dict[str, list[str]]:
        """The message ids of each user of a source, in the order of the log."""
        found: dict[str, list[str]] = defaultdict(list)
        with contextlib.closing(psycopg2.connect(self.environ["DATABASE_URL"])) as raw, raw.cursor() as cursor:
            cursor.execute(STORED, [write_key])
            for user, message_id in cursor.fetchall():
                found[user].append(message_id)
        return dict(found)

    def post(self, path: str, value: Any) -> http.Answer:
        return http.post(self.web_port, path, value, WRITE_KEY)

    def log(self, role: str) -> str:
        """What a role has written so far."""
        return (self._folder / f"{role}.log").read_text(errors="replace")


@contextlib.contextmanager
def running(environ: dict[str, str], folder: Path, *roles: str) -> Iterator[Stack]:
    """These roles (all of them when none is named), ended afterwards."""
    stack = Stack(environ, folder)
    try:
        stack.start(*(roles or ROLES))
        yield stack
    finally:
        stack.close()
