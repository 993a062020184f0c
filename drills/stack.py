"""The stack that is broken: `python -m rudderproj.stack run` with a data folder and ports of its own.

Owns its start, its end, and who its processes are. Must never meet the stack of a person who works beside it.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psutil
import psycopg2
from redis import Redis
from redis.exceptions import RedisError

from rudderproj.stack import processes

ROOT = Path(__file__).resolve().parents[1]
ROLES = ("web", "forward", "alerts", "beat")
SERVICES = {processes.POSTGRES: "DATABASE_URL", "valkey": "CELERY_BROKER_URL"}  # unless the environment names another
PATIENCE_SECONDS = 120.0  # a machine may be busy with other things
START_SECONDS = 300.0
STOP_SECONDS = 200.0
OTHER_CLIENTS = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
T = TypeVar("T")

# Drills kill more than recovery stands by, and are about everything else.
DEFAULTS = {"RECOVERY_CRASH_THRESHOLD": "100000", "FORWARD_AUTOSCALE": "4,1", "EGRESS_ALLOW": "127.0.0.0/8,::1/128"}
LEFT_OUT = ("DATABASE_URL", "CELERY_BROKER_URL", "DATA_DIR", "SECRET_KEY", "SECRETS_KEYS", "NODE_ID", "INBOX_ENABLED")


class NotSo(Exception):
    """Something that a drill waited for did not come."""


def eventually(look: Callable[[], T], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """Call until the answer is true; that answer. Raises NotSo."""
    deadline = time.monotonic() + seconds
    while not (answer := look()):
        if time.monotonic() > deadline:
            raise NotSo(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)
    return answer


class Stack:
    """One data folder, started and ended as often as a drill likes. `prefix` is a command that runs it elsewhere."""

    def __init__(self, folder: Path, environ: Mapping[str, str], prefix: Sequence[str] = (), host: str = "") -> None:
        self.folder, self.host = folder, host or "127.0.0.1"
        self._prefix = list(prefix)
        self.web_port, flower_port = free_ports(2)
        kept = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
        ports = {"WEB_PORT": str(self.web_port), "FLOWER_PORT": str(flower_port)}
        self.environ = kept | DEFAULTS | {"DATA_DIR": str(folder)} | ports | dict(environ)
        # A client is on a machine of its own, with a clock of its own.
        self.client_environ = {name: value for name, value in self.environ.items() if name != "LD_PRELOAD"}
        self.verify_options: tuple[str, ...] = ()  # how verify has to be run against it
        self.together: Sequence[Stack] = (self,)  # all of the stage's, where there are several
        self._process: subprocess.Popen[bytes] | None = None

    # Start and end

    def start(self) -> None:
        """Start it, or start it again; returns once events are accepted."""
        log = (self.folder.parent / f"{self.folder.name}.log").open("ab")
        command = [*self._prefix, sys.executable, "-m", "rudderproj.stack", "run"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=self.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        log.close()
        process = self._process
        eventually(lambda: process.poll() is not None or self.is_ready(), "the start of the stack", START_SECONDS)
        if process.poll() is not None:
            raise NotSo(f"the stack did not start: {self.said()}")
        eventually(lambda: set(ROLES) <= self.lives().keys(), "all processes of the stack")

    def stop(self) -> float:
        """SIGTERM, as a deploy sends it; the seconds it took."""
        began = time.monotonic()
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                raise NotSo(f"the stack did not stop within {STOP_SECONDS:.0f} s") from None
        return time.monotonic() - began

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Started, until the end of the block; nothing is left behind, whatever a drill that failed has left of it."""
        try:
            self.start()
            yield
        finally:
            try:
                self.stop()
            except NotSo:
                self.cut_power()

    def cut_power(self) -> None:
        """SIGKILL everything at once, the database and the one that we started included."""
        if self._process is None:
            return
        pids = [self._process.pid, *self.everything()]
        for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first: nobody may notice another's death, and act
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        self._process.wait(PATIENCE_SECONDS)
        processes.wait_gone(pids, PATIENCE_SECONDS)

    def said(self) -> str:
        """The last words of the start."""
        return (self.folder.parent / f"{self.folder.name}.log").read_text(errors="replace").strip()[-300:]

    # Who is who

    @property
    def others(self) -> tuple[str, ...]:
        """What the supervisor keeps besides the roles, and itself; a service only where the stack has its own."""
        own = (name for name, variable in SERVICES.items() if variable not in self.environ)
        return (processes.SUPERVISOR, "flower", *own)

    @property
    def _run(self) -> Path:
        return self.folder / "run"

    @property
    def runner(self) -> int:
        """The process that was started, which runs the supervisor."""
        if self._process is None:
            raise NotSo("the stack was not started")
        return self._process.pid

    def lives(self) -> dict[str, int]:
        """The live recorded processes by name; of roles these are the guards."""
        return lives(self._run)

    def everything(self) -> list[int]:
        """Every process of this folder, children included."""
        for path in self._run.glob("*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                found = set(processes.ours(self._run, json.loads(path.read_text())["marker"]))
                children = [c.pid for pid in found for c in _children(pid)]
                return sorted(found.union(children) - {os.getpid()})
        return []

    def pid(self, name: str) -> int:
        """The live process of that name, waited for."""
        return eventually(lambda: self.lives().get(name, 0), f"a process {name}")

    def main(self, role: str) -> psutil.Process:
        """The process of a role itself, below its guard."""
        return eventually(lambda: _children(self.pid(role), recursive=False), f"the process of {role}")[0]

    def pool(self, role: str) -> list[psutil.Process]:
        """The processes of a worker's pool."""
        return _children(self.main(role).pid, recursive=False)

    @contextlib.contextmanager
    def unsupervised(self) -> Iterator[None]:
        """Nothing that ends comes back until the end of the block."""
        supervisor = self.pid(processes.SUPERVISOR)
        os.kill(supervisor, signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(supervisor, signal.SIGCONT)

    # What people and programs ask

    def is_ready(self) -> bool:
        """Whether /ready answers 200."""
        connection = http.client.HTTPConnection(self.host, self.web_port, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        return False

    def has_database(self) -> bool:
        """Whether the database answers a query."""
        with contextlib.suppress(psycopg2.Error):
            return self.query("SELECT 1") == [(1,)]
        return False

    def has_broker(self) -> bool:
        """Whether the broker answers a PING."""
        with contextlib.suppress(RedisError), self.broker() as client:
            return bool(client.ping())
        return False

    @staticmethod
    def manage_command(*arguments: str) -> list[str]:
        """Run where the drill is, wherever the stack is."""
        return [sys.executable, "manage.py", *arguments]

    def manage(self, *arguments: str) -> str:
        """Run a management command; its standard output. Raises NotSo with what it said instead."""
        command = self.manage_command(*arguments)
        done = subprocess.run(command, cwd=ROOT, env=self.environ, check=False, capture_output=True, text=True)
        if done.returncode:
            raise NotSo(f"manage.py {arguments[0]}: {done.stderr.strip()[-300:]}")
        return done.stdout

    def apply(self, **document: Any) -> None:
        """`manage.py apply` with this document."""
        file = self.folder / "drill.yaml"  # JSON is YAML
        file.write_text(json.dumps(document))
        self.manage("apply", str(file))

    @property
    def known(self) -> dict[str, str]:
        """The environment that the start filled in."""
        found: dict[str, str] = json.loads((self.folder / "environment.json").read_text())
        return found

    def connect(self) -> "psycopg2.extensions.connection":
        """A connection of the drill's own, autocommit. Raises psycopg2.OperationalError."""
        raw = psycopg2.connect(self.known["DATABASE_URL"], connect_timeout=5, application_name="drill")
        raw.autocommit = True
        return raw

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """One statement's rows. Raises psycopg2.Error."""
        with contextlib.closing(self.connect()) as raw, raw.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def end_connections(self) -> int:
        """pg_terminate_backend of every client: how many; of nobody while the database takes no connection."""
        with contextlib.suppress(psycopg2.OperationalError):
            return sum(ended for (ended,) in self.query(f"SELECT pg_terminate_backend(pid) {OTHER_CLIENTS}"))
        return 0

    def claims(self) -> dict[int, int]:
        """The process that holds each claim, by the claim's id; `destinations.owner` describes it with its pid."""
        rows = self.query("SELECT id, owner FROM destinations_claim")
        return {int(claim): int(str(owner).split()[1]) for claim, owner in rows}

    def times_killed_in_stop(self) -> int:
        """How often the supervisor lost patience with a program that was to end, and killed it."""
        logs = (self.folder / "logs").glob("supervisord.log*")
        return sum(log.read_text(errors="replace").count("with SIGKILL") for log in logs)

    def broker(self) -> Redis:
        """A client of the broker."""
        return Redis.from_url(self.known["CELERY_BROKER_URL"], socket_timeout=5, socket_connect_timeout=5)


def lives(run: Path) -> dict[str, int]:
    """The live processes that the records in a data folder's `run` name, as {name: pid}."""
    found = {}
    for path in run.glob("*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            if pid := processes.recorded(run, path.stem, json.loads(path.read_text())["marker"]):
                found[path.stem] = pid
    return found


def _children(pid: int, recursive: bool = True) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=recursive)
    return []


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Stack]:
    """A running stack until the end of the block."""
    stack = Stack(folder, {})
    with stack.running():
        yield stack
