"""Real forwarding workers in processes of their own, to be killed."""

import contextlib
import os
import random
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.services import ROOT


@dataclass
class Worker:
    """One `celery worker` with its pool, in a process group of its own."""

    name: str
    env: dict[str, str]
    log: Path
    app: str = "rudderproj"
    kills: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it; it is at work some seconds later."""
        command = [
            *(sys.executable, "-m", "celery", "-A", self.app, "worker", "-Q", "forward", "-n", f"{self.name}@%h"),
            *("--pool", "prefork", "--autoscale", "3,1", "-O", "fair", "--without-gossip", "--without-mingle"),
        ]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self.env, stdout=output, stderr=output, start_new_session=True
            )

    def children(self) -> list[int]:
        """The pids of its pool processes."""
        if self._process is None:
            return []
        found = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        try:
            return [int(pid) for pid in found.read_text(encoding="ascii").split()]
        except OSError:
            return []

    def kill_child(self, chance: random.Random) -> bool:
        """kill -9 of one pool process; False when there is none."""
        pids = self.children()
        if not pids:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(pids), signal.SIGKILL)
            self.kills += 1
        return True

    def kill(self) -> None:
        """kill -9 of everything."""
        self._signal(signal.SIGKILL)
        self.kills += 3

    def stop(self) -> int | None:
        """SIGTERM, as an operator would; its exit status, None if it had to be killed."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            return None

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            self._process.wait(30)
