"""Starts stacks as processes and looks at what they leave behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil
import psycopg2

from drills.stack import free_ports, lives

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60.0
T = TypeVar("T")


def clean_environ(**extra: str) -> dict[str, str]:
    """Ours without what names services or a data folder: these tests start their own."""
    names = ("DATABASE_URL", "CELERY_BROKER_URL", "DATA_DIR", "WEB_PORT", "FLOWER_PORT", "NODE_ID")
    return {name: value for name, value in os.environ.items() if name not in names} | extra


def eventually(look: Callable[[], T]) -> T:
    """Call until the answer is true; the last answer then, or a failure."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := look()):
        assert time.monotonic() < deadline, f"still {answer!r} after {PATIENCE_SECONDS} s"
        time.sleep(0.05)
    return answer


def free_port() -> int:
    return free_ports(1)[0]


class Recorded:
    """The processes that a data folder's run records name."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir

    def pid(self, name: str) -> int:
        """The live process recorded as `name`."""
        return self.other_pid(name, than=0)

    def other_pid(self, name: str, than: int) -> int:
        """The live process that came after `than`."""
        return eventually(lambda: pid if (pid := self.recorded().get(name, 0)) != than else 0)

    def recorded(self) -> dict[str, int]:
        """The live recorded processes, as {name: pid}."""
        return lives(self.run_dir)

    def tree(self) -> list[psutil.Process]:
        """All processes of the stack now, children included."""
        found = []
        for pid in self.recorded().values():
            # One of the programs dies all the time.
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                found += [process, *process.children(recursive=True)]
        return found


class Small(Recorded):
    """One life of tests.stack.small over a data folder."""

    def __init__(self, data_dir: Path, port: int, stop_seconds: int = 1) -> None:
        super().__init__(data_dir / "run")
        self.port = port
        command = [sys.executable, "-m", "tests.stack.small", str(data_dir), str(port), str(stop_seconds)]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=clean_environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def started(self) -> str:
        """Wait for the start; the database's URL."""
        assert self.process.stdout
        url = self.process.stdout.readline().strip()
        assert url, self.process.communicate()
        return url

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; exit code and what it wrote to standard error."""
        self.process.send_signal(number)
        errors = self.process.communicate(timeout=PATIENCE_SECONDS)[1]
        return self.process.returncode, without_patience(errors)


def without_patience(errors: str) -> str:
    """Standard error but for what is said about a start that takes its time, as on a busy machine."""
    return "".join(line for line in errors.splitlines(keepends=True) if not line.startswith("not ready yet: "))


def assert_gone(before: list[psutil.Process]) -> None:
    """None of these very processes is left (psutil compares the start time too)."""
    assert [process for process in before if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []


def query(url: str, sql: str) -> list[tuple[object, ...]]:
    """Run one statement, waiting for the server to come back; its rows."""

    def attempt() -> list[list[tuple[object, ...]]]:
        try:
            connection = psycopg2.connect(url, connect_timeout=5)
        except psycopg2.OperationalError:
            return []
        with contextlib.closing(connection), connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return [cursor.fetchall() if cursor.description else []]

    return eventually(attempt)[0]


@contextlib.contextmanager
def small(data_dir: Path, stop_seconds: int = 1) -> Iterator[Small]:
    """A small stack that is certainly over afterwards."""
    stack = Small(data_dir, free_port(), stop_seconds)
    try:
        yield stack
    finally:
        if stack.process.poll() is None:
            stack.process.send_signal(signal.SIGINT)
            with contextlib.suppress(ProcessLookupError):
                stack.process.send_signal(signal.SIGINT)
            stack.process.communicate(timeout=PATIENCE_SECONDS)
