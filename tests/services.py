"""One embedded PostgreSQL and Valkey for a pytest process (see tests/plugin.py), or for a test that stops them.

They stop with the process that started them, also when it is killed: they watch the pipe it holds.
"""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VARIABLES = ("DATABASE_URL", "CELERY_BROKER_URL")


@dataclass
class Services:
    """Where to connect. `stop` is safe to call twice, and does nothing for services that we did not start."""

    database_url: str
    broker_url: str
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def stop(self) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.close()
            self._process.wait(90)
            self._process = None


def start_services(data_dir: Path, postgres_major: int = 18, durable: bool = True) -> Services:
    """Start what DATABASE_URL and CELERY_BROKER_URL do not name already.

    `durable=False` turns fsync off: faster, and only safe for data that nobody needs after a power cut.
    Raises RuntimeError with the reason if a service does not start.
    """
    known = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    if len(known) == len(VARIABLES):
        return Services(known["DATABASE_URL"], known["CELERY_BROKER_URL"])
    binaries = os.environ.get("TEST_POSTGRES_BIN")
    command = [
        *(sys.executable, "-m", "rudderproj.stack", "services", "--print-env", "--until-stdin-closes"),
        *("--data-dir", str(data_dir), "--postgres", str(postgres_major)),
        *(() if durable else ("--no-fsync",)),
        *(("--postgres-bin", binaries) if binaries else ()),
    ]
    # Its own session: Ctrl-C must end the tests first and the services after them.
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    if process.stdout is None or process.stderr is None:
        raise RuntimeError("no pipes")
    for line in process.stdout:
        name, separator, value = line.strip().partition("=")
        if not separator:
            return Services(known["DATABASE_URL"], known["CELERY_BROKER_URL"], process)
        known[name] = value
    process.wait(90)
    raise RuntimeError(f"the test services do not start: {process.stderr.read().strip()}")
