"""One life of `make run` with PagerDuty and Splunk On-Call behind it, whose processes die when a test says so.

Must never end a process by anything but its pid.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg2.errors

from tests.e2e import http
from tests.e2e.stack import WRITE_KEY
from tests.services import ROOT
from tests.stack.harness import Recorded, clean_environ, eventually, free_port, query
from tests.stubs.providers import PagerDuty, VictorOps, environ_of

ROLES = ("web", "forward", "alerts", "beat")
DYING = Path(__file__).parent / "dying"
FOREVER = 10**6


class Deployment(Recorded):
    """The running stack."""

    def __init__(self, folder: Path, pagerduty: PagerDuty, victorops: VictorOps) -> None:
        super().__init__(folder / "data" / "run")
        self.pagerduty, self.victorops = pagerduty, victorops
        self.web_port = free_port()
        self._folder, self._dying = folder, folder / "dying"
        self._dying.mkdir()
        self.environ = clean_environ(
            DATA_DIR=str(folder / "data"),
            WEB_PORT=str(self.web_port),
            FLOWER_PORT=str(free_port()),
            PYTHONPATH=str(DYING),
            DYING_DIR=str(self._dying),
            FORWARD_AUTOSCALE="4,1",
            AUTOSCALE_KEEPALIVE="1",
            **environ_of(pagerduty, victorops),
        )
        for name in ("SECRET_KEY", "SECRETS_KEYS", "EGRESS_ALLOW", "INBOX_ENABLED"):
            self.environ.pop(name, None)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rudderproj.stack", "run"],
            cwd=ROOT,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        for line in self._process.stdout:
            if line.strip().startswith("curl "):  # the last thing that a start prints
                return
        raise RuntimeError("the stack did not start; its standard error says why")

    # What people and SDKs do

    def post(self, path: str, value: Any) -> http.Answer:
        return http.post(self.web_port, path, value, WRITE_KEY)

    def manage(self, *arguments: str) -> str:
        """Run a management command by hand; its standard output."""
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.environ, check=True, stdout=subprocess.PIPE, text=True).stdout

    def status(self) -> Any:
        return json.loads(self.manage("status", "--json"))

    def connect(self, sink_url: str) -> None:
        """One source with the tests' write key, and the sink behind it."""
        file = self._folder / "apply.yaml"
        config = {"webhookUrl": sink_url}
        hook = {"name": "hook", "type": "webhook", "config": config, "sources": ["web"]}
        file.write_text(json.dumps({"sources": [{"name": "web", "write_key": WRITE_KEY}], "destinations": [hook]}))
        self.manage("apply", str(file))

    # What the database says

    @property
    def saved(self) -> dict[str, str]:
        """What the start filled in."""
        found: dict[str, str] = json.loads((self._folder / "data" / "environment.json").read_text())
        return found

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return query(self.saved["DATABASE_URL"], sql)

    def mode(self) -> str:
        return str(self.query("SELECT mode FROM alerts_mode")[0][0])

    def counted(self) -> int:
        """Crashes that a restart followed."""
        return int(self.query("SELECT count(*) FROM alerts_crash WHERE restarted_at IS NOT NULL")[0][0])

    def lives(self) -> dict[str, int]:
        """The guard of each identity's present life."""
        rows = self.query("""SELECT role, pid FROM alerts_life WHERE "end" = ''""")
        return {str(role): int(pid) for role, pid in rows}

    def forget_crashes(self) -> None:
        """Begin anew: normal, and nothing has ever crashed. An incident that is still open would not be told again."""
        self.query("DELETE FROM alerts_crash")
        eventually(self._forget_incidents)
        if self.mode() != "normal":
            self.manage("mode", "normal", "--reason", "another test")
        self.pagerduty.calls.clear()
        self.victorops.calls.clear()

    def _forget_incidents(self) -> bool:
        """False if the alerts worker began to tell of one meanwhile."""
        with contextlib.suppress(psycopg2.errors.ForeignKeyViolation):
            self.query("DELETE FROM alerts_notification; DELETE FROM alerts_incident")
            return True
        return False

    # How processes die

    def die(self, role: str, times: int) -> None:
        """So many of this role's next starts die of a segmentation fault."""
        path = self._dying / f".{role}"
        path.write_text(str(times))
        path.replace(self._dying / role)

    def main(self, role: str) -> psutil.Process:
        """The process itself, below its guard."""

        def look() -> list[psutil.Process]:
            with contextlib.suppress(psutil.NoSuchProcess):
                return psutil.Process(self.pid(role)).children()
            return []

        return eventually(look)[0]

    def kill(self, role: str, number: int = signal.SIGKILL) -> None:
        """Send the process itself a signal."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.main(role).send_signal(number)

    def close(self) -> None:
        """End it in order."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(120)


@contextlib.contextmanager
def deployed(folder: Path) -> Iterator[Deployment]:
    """The product until the end of the block."""
    providers = PagerDuty(), VictorOps()
    deployment = Deployment(folder, *providers)
    try:
        yield deployment
    finally:
        deployment.close()
        for provider in providers:
            provider.close()


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """SIGSTOP until the end of the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
