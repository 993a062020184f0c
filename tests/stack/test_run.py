"""`python -m rudderproj.stack run`, whole: what it prints works, what is killed comes back, what stops is gone."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from .harness import ROOT, Recorded, assert_gone, clean_environ, eventually, free_port, without_patience

pytestmark = pytest.mark.slow
ROLES = ("web", "forward", "alerts", "beat", "flower", "postgres", "valkey")


class Run(Recorded):
    """One life of the whole stack; `printed` is what it told when it was ready."""

    def __init__(self, data_dir: Path, web_port: int, flower_port: int) -> None:
        super().__init__(data_dir / "run")
        self.web_port, self.flower_port = web_port, flower_port
        self.environ = clean_environ(
            DATA_DIR=str(data_dir), WEB_PORT=str(web_port), FLOWER_PORT=str(flower_port), PYTHONUNBUFFERED="1"
        )
        for name in ("SECRET_KEY", "SECRETS_KEYS", "EGRESS_ALLOW", "INBOX_ENABLED"):
            self.environ.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rudderproj.stack", "run"],
            cwd=ROOT,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        lines = []
        for line in self.process.stdout:
            lines.append(line.strip())
            if line.strip().startswith("curl "):
                break
        self.printed = lines
        assert lines, self.process.communicate()

    def send_as_printed(self, event: str) -> str:
        """Run the printed curl line, with another event name; its answer."""
        curl = self.printed[-1].replace("Signed Up", event).replace("curl ", "curl -sS ", 1)
        return subprocess.run(["/bin/sh", "-c", curl], capture_output=True, text=True, check=True).stdout

    def get(self, port: int, path: str, login: str = "") -> tuple[int, bytes]:
        """One GET; status and body, status 0 when nobody answers."""
        headers = {"Authorization": "Basic " + b64encode(login.encode()).decode()} if login else {}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        return 0, b""

    def in_inbox(self, event: str) -> bool:
        status, body = self.get(self.web_port, "/inbox.json")
        return status == 200 and event in [found["body"]["event"] for found in json.loads(body)["deliveries"]]

    def stop(self) -> tuple[int, str]:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        errors = self.process.communicate(timeout=120)[1]
        return self.process.returncode, without_patience(errors)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    run = Run(tmp_path_factory.mktemp("run") / "data", free_port(), free_port())
    yield run
    run.stop()


def test_the_printed_curl_line_works_and_its_event_reaches_the_inbox(stack: Run) -> None:
    assert stack.send_as_printed("First") == "OK"
    eventually(lambda: stack.in_inbox("First"))


def test_flower_wants_the_printed_login(stack: Run) -> None:
    login = next(line for line in stack.printed if line.startswith("flower")).split("login ")[1].replace(" / ", ":")
    assert stack.get(stack.flower_port, "/workers")[0] == 401
    assert eventually(lambda: stack.get(stack.flower_port, "/workers", login)[0] == 200)


def test_a_command_by_hand_works_on_the_running_stack(stack: Run) -> None:
    result = subprocess.run(
        [sys.executable, "manage.py", "bootstrap"],
        cwd=ROOT,
        env=stack.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(result.stdout)["write_key"] in stack.printed[-1]


def test_whatever_is_killed_comes_back_and_events_go_on(stack: Run) -> None:
    for role in ROLES:
        first = stack.pid(role)
        os.kill(first, signal.SIGKILL)
        stack.other_pid(role, than=first)
    eventually(lambda: stack.get(stack.web_port, "/ready")[0] == 200)
    assert stack.send_as_printed("After kills") == "OK"
    eventually(lambda: stack.in_inbox("After kills"))


def test_sigterm_leaves_no_process_and_the_next_start_has_the_same_data(stack: Run) -> None:
    before = stack.tree()
    assert {psutil.Process(stack.pid(role)).pid for role in ROLES} <= {process.pid for process in before}

    assert stack.stop() == (0, "")

    assert_gone(before)
    again = Run(Path(stack.environ["DATA_DIR"]), stack.web_port, stack.flower_port)
    assert again.printed == stack.printed
    assert again.stop() == (0, "")
