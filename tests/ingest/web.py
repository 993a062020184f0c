"""A real web process, and raw sockets to it."""

import base64
import contextlib
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30


def basic(key: str) -> str:
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class WebProcess:
    """`python -m rudderproj.server` with an environment; ready when the constructor returns."""

    def __init__(self, env: dict[str, str], **more: str) -> None:
        self.port = free_port()
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rudderproj.server"],
            cwd=ROOT,
            env=env | {"WEB_HOST": "127.0.0.1", "WEB_PORT": str(self.port)} | more,
            stderr=self.log,
        )
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                self.get("/health")
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise RuntimeError(f"the web process does not start: {self.output()}")
            time.sleep(0.05)

    def output(self) -> str:
        self.log.seek(0)
        return self.log.read().decode()

    def stop(self) -> int:
        """Stop it as a supervisor does; returns its exit status."""
        self.process.terminate()
        return self.process.wait(30)

    def request(
        self, method: str, path: str, body: bytes = b"", timeout: float = 30, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower case) and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        return self.request("GET", path)

    def track(self, event: Any, key: str = "WK", timeout: float = 30) -> tuple[int, dict[str, str], bytes]:
        return self.request("POST", "/v1/track", json.dumps(event).encode(), timeout, Authorization=basic(key))

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


def head(path: str, *more: str) -> bytes:
    """The start of a POST with the write key WK; the caller adds what declares the body."""
    lines = [f"POST {path} HTTP/1.1", "Host: any.example", f"Authorization: {basic('WK')}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """Status and body of the answer on a raw connection."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, response.read()
