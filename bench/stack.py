"""The stack under test: `python -m rudderproj.stack run` with a data folder and ports of its own.

Owns its start, its configuration and its end. Must never meet the stack of a person who works beside it.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from drills.stack import free_ports

ROOT = Path(__file__).resolve().parents[1]
WRITE_KEY = "bench"
STOP_SECONDS = 120
CONFIG = """\
sources:
  - {{name: bench, write_key: {write_key}}}
destinations:
  - name: sink
    type: webhook
    config: {{webhookUrl: "http://127.0.0.1:{port}/", webhookMethod: POST}}
    sources: [bench]
"""


@dataclass(frozen=True)
class Stack:
    """A running stack whose one destination is the sink."""

    data_dir: Path
    web_port: int
    sink_port: int
    process: subprocess.Popen[str]
    sink_process: subprocess.Popen[str]

    def roots(self) -> list[int]:
        """The processes below which everything measured runs, the load generator aside."""
        return [self.process.pid, self.sink_process.pid]

    def pids(self) -> dict[str, int]:
        """The main process of each role."""
        return {path.stem: int(json.loads(path.read_text())["pid"]) for path in (self.data_dir / "run").glob("*.json")}

    def sink(self, path: str) -> str:
        """Ask the sink."""
        with urlopen(f"http://127.0.0.1:{self.sink_port}{path}", timeout=30) as answer:
            return str(answer.read().decode())


@contextlib.contextmanager
def running(data_dir: Path) -> Iterator[Stack]:
    """Start sink and stack, stop both afterwards. Raises RuntimeError with what the stack said."""
    web_port, flower_port, sink_port = free_ports(3)
    names = ("DATABASE_URL", "CELERY_BROKER_URL")
    environ = {name: value for name, value in os.environ.items() if name not in names}
    environ |= {"DATA_DIR": str(data_dir), "WEB_PORT": str(web_port), "FLOWER_PORT": str(flower_port)}
    sink = _start(["bench.sink", str(sink_port)], environ)
    process = _start(["rudderproj.stack", "run"], environ)
    stack = Stack(data_dir, web_port, sink_port, process, sink)
    try:
        _wait_started(process)
        _configure(stack, environ)
        yield stack
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)
        sink.terminate()
        sink.wait(STOP_SECONDS)


def _start(module: list[str], environ: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *module],
        env=environ,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def _wait_started(process: subprocess.Popen[str]) -> None:
    # It says where it is reached once events are accepted.
    if not process.stdout or "running" not in process.stdout.readline():
        raise RuntimeError("the stack does not start; see above")


def _configure(stack: Stack, environ: dict[str, str]) -> None:
    file = stack.data_dir / "bench.yaml"
    file.write_text(CONFIG.format(write_key=WRITE_KEY, port=stack.sink_port))
    command = [sys.executable, "manage.py", "apply", str(file)]
    subprocess.run(command, env=environ, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    time.sleep(2)  # a change is in force everywhere within this
