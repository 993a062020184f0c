"""A PostgreSQL and a Valkey of one test's own, to be killed."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from drills.stack import lives
from rudderproj.stack import processes
from tests.stack.harness import ROOT, clean_environ, eventually


class Services:
    """`python -m rudderproj.stack services`, with its schema migrated."""

    def __init__(self, data_dir: Path) -> None:
        self._run_dir = data_dir / "run"
        command = ("services", "--print-env", "--until-stdin-closes", "--data-dir", str(data_dir))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rudderproj.stack", *command],
            cwd=ROOT,
            env=clean_environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        found = dict(line.strip().split("=", 1) for line in iter(self._process.stdout.readline, "\n") if line)
        self.environ = clean_environ(**found)
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--no-input", "-v0"], cwd=ROOT, env=self.environ, check=True
        )

    def pid(self, name: str) -> int:
        """The live process of that name."""
        return eventually(lambda: lives(self._run_dir).get(name, 0))

    @contextlib.contextmanager
    def away(self, name: str) -> Iterator[None]:
        """SIGKILL "postgres" or "valkey", and keep it from coming back until the end of the block."""
        supervisor, pid = self.pid(processes.SUPERVISOR), self.pid(name)
        os.kill(supervisor, signal.SIGSTOP)
        try:
            os.kill(pid, signal.SIGKILL)
            processes.wait_gone([pid], 30)
            yield
        finally:
            os.kill(supervisor, signal.SIGCONT)

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(120)
