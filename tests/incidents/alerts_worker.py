"""A real alerts worker in a process of its own, as `make run` starts it, with the broker and database it is given."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from rudderproj.stack import programs
from rudderproj.stack.environment import settings
from tests.services import ROOT

NO_BROKER = "redis://127.0.0.1:1/0"
STOP_SECONDS = 30


@contextlib.contextmanager
def alerts_worker(env: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One that runs until the end of the block; its log is `alerts.log` in the folder."""
    (folder / "run").mkdir(exist_ok=True)
    env = env | {"DATA_DIR": str(folder), "PYTHONUNBUFFERED": "1"}
    (program,) = [one for one in programs.application(settings(env), folder) if one.name == "alerts"]
    with (folder / "alerts.log").open("ab") as log:
        process = subprocess.Popen(
            program.command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
