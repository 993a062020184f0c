"""The official server-side SDKs, each in a process of its own, sending while something is the matter.

Each tells when it has been refused for the first time, and at its end what it believes became of its events.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PATIENCE_SECONDS = 120
COUNT = 45  # three batches of rudder-node and of Segment's SDK for Node, one of those for Python
PYTHON = ("rudder-python", "segment-python")
NODE = {"rudder-node": "rudder", "rudder-node with Redis": "redis", "segment-node": "segment"}
SDKS = (*PYTHON, *NODE)
REFUSED = "refused"


class Sending:
    """One SDK that has begun to send COUNT events to a web process."""

    def __init__(self, sdk: str, folder: Path, plan: Mapping[str, Any]) -> None:
        self.sdk = sdk
        self.user = NODE.get(sdk, sdk)
        command = ["node", "through.js"] if sdk in NODE else [sys.executable, "-m", "tests.sdk.through_python"]
        self._process = subprocess.Popen(
            command,
            cwd=folder if sdk in NODE else Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin
        self._process.stdin.write(json.dumps(dict(plan) | {"sdk": self.user, "count": COUNT}))
        self._process.stdin.close()
        self._lines: list[str] = []
        self._said = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def message_ids(self) -> list[str]:
        return [f"{self.user}-{number}" for number in range(COUNT)]

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            with self._said:
                self._lines.append(line.strip())
                self._said.notify_all()

    def _wait(self, start: str) -> str:
        """The first line that begins so."""

        def line() -> str:
            return next((line for line in self._lines if line.startswith(start)), "")

        with self._said:
            assert self._said.wait_for(line, PATIENCE_SECONDS), (self.sdk, self._lines)
            return line()

    @property
    def was_refused(self) -> bool:
        return REFUSED in self._lines

    def wait_refused(self) -> None:
        self._wait(REFUSED)

    def outcome(self) -> dict[str, int]:
        """What the SDK says at its end: how many events were delivered, how many lost."""
        found: dict[str, int] = json.loads(self._wait("{"))
        return found

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def redis_options(broker_url: str) -> dict[str, Any]:
    """Where rudder-node keeps its queue."""
    url = urlsplit(broker_url)
    return {"host": url.hostname, "port": url.port} | ({"password": url.password} if url.password else {})
