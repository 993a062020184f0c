"""`make run` for a browser: the whole stack in a folder of its own, with a login that is known."""

import base64
import json
import signal
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stack.harness import ROOT, clean_environ, free_port

USER, PASSWORD = "admin", "browser-tests-only"
STOP_SECONDS = 60


class Product:
    """What runs, and how to send it an event."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.port = free_port()
        # Proxies of the machine are for other hosts than this one.
        environ = clean_environ(
            DATA_DIR=str(folder),
            WEB_PORT=str(self.port),
            FLOWER_PORT=str(free_port()),
            ADMIN_USER=USER,
            ADMIN_PASSWORD=PASSWORD,
            FORWARD_AUTOSCALE="2,2",
            PYTHONUNBUFFERED="1",
            **settings,
        )
        for name in ("SECRET_KEY", "SECRETS_KEYS", "EGRESS_ALLOW", "INBOX_ENABLED"):
            environ.pop(name, None)
        self.environ = environ
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rudderproj.stack", "run"],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        self.write_key = ""
        for line in self._process.stdout:
            if "write key" in line:
                self.write_key = line.split()[-1]
            if line.strip().startswith("curl "):
                return
        raise RuntimeError("the stack did not start; its standard error says why")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def send(self, event: str, user: str = "ada", **more: object) -> str:
        """Send a track event with the demo source's key; its message id."""
        message_id = str(uuid.uuid4())
        body = {"type": "track", "event": event, "userId": user, "messageId": message_id} | more
        login = base64.b64encode(f"{self.write_key}:".encode()).decode()
        request = urllib.request.Request(
            f"{self.url}/v1/track",
            json.dumps(body).encode(),
            {"content-type": "application/json", "authorization": f"Basic {login}"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            assert answer.status == 200
        return message_id

    def manage(self, *arguments: str, given: str = "") -> str:
        """Run a management command on its database; its standard output."""
        values = dict(line.partition("=")[::2] for line in self._environment())
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environ | values,
            input=given,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def _environment(self) -> list[str]:
        """The environment of its web process, which has what the start filled in."""
        run = Path(self.environ["DATA_DIR"]) / "run" / "web.json"
        pid = json.loads(run.read_text())["pid"]
        return Path(f"/proc/{pid}/environ").read_text().rstrip("\0").split("\0")

    def close(self) -> None:
        """End it in order."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(STOP_SECONDS)


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Product]:
    """The product until the end of the block."""
    product = Product(folder, **settings)
    try:
        yield product
    finally:
        product.close()
