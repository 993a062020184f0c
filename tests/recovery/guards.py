"""Guards as real processes, around small programs that really die."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil

from tests.services import ROOT

SEGFAULT = "import ctypes; ctypes.string_at(0)"
KILLED = "import os; os.kill(os.getpid(), 9)"
EXITS = "import os; os._exit(7)"
RAISES = "import no_such_module"
FINE = "pass"
SLEEPS = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
PATIENCE_SECONDS = 30.0
T = TypeVar("T")


def eventually(look: Callable[[], T], seconds: float = PATIENCE_SECONDS) -> T:
    """Call until the answer is true; the last answer then, or a failure."""
    deadline = time.monotonic() + seconds
    while not (answer := look()):
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
        time.sleep(0.02)
    return answer


class Guarded:
    """One identity, whose guard is started again and again."""

    def __init__(self, environ: dict[str, str], data: Path, role: str = "forward", node: str = "n-1") -> None:
        self.data, self.role, self.node = data, role, node
        self.environ = environ | {"DATA_DIR": str(data), "NODE_ID": node, "RUN_ID": "run"}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        return self.data / "lives" / f"{self.role}-{self.node}"

    def start(self, program: str, *before: str, **environ: str) -> subprocess.Popen[bytes]:
        """Guard this Python program; `before` replaces the guard's own start."""
        own = before or (sys.executable, "-m", "rudderproj.guard")
        self.process = subprocess.Popen(
            [*own, "--role", self.role, "--", sys.executable, "-c", program],
            cwd=ROOT,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return self.process

    def run(self, program: str, *before: str, **environ: str) -> tuple[int, str]:
        """Guard it until it ends: the guard's exit status, and what was written."""
        output = self.start(program, *before, **environ).communicate(timeout=PATIENCE_SECONDS)[0]
        assert self.process
        return self.process.returncode, output.decode()

    def up(self, program: str = SLEEPS, **environ: str) -> psutil.Process:
        """Guard it, and wait until it runs: the guarded process."""
        process = self.start(program, **environ)
        assert process.stdout
        for line in process.stdout:
            if line == b"up\n":
                break
        return psutil.Process(process.pid).children()[0]

    def end(self, number: int) -> int:
        """Send the guard a signal; its exit status."""
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def kill_group(self) -> None:
        """SIGKILL to guard and program at once, as a supervisor does after the grace period."""
        assert self.process
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)

    def spooled(self) -> list[dict[str, Any]]:
        """The records that wait."""
        return [json.loads(path.read_text()) for path in sorted((self.folder / "spool").glob("*.json"))]

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.kill_group()
        if self.process and self.process.stdout:
            self.process.stdout.close()


@contextlib.contextmanager
def guarded(environ: dict[str, str], data: Path, role: str = "forward", node: str = "n-1") -> Iterator[Guarded]:
    found = Guarded(environ, data, role, node)
    try:
        yield found
    finally:
        found.close()
