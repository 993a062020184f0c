"""Posting to the ingest API as an SDK does, without an SDK."""

import base64
import http.client
import json
from dataclasses import dataclass
from typing import Any

TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Answer:
    """What the server said. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


def basic(write_key: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{write_key}:".encode()).decode()}


def ask(port: int, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
    """One request over its own connection. Raises OSError or http.client.HTTPException when no answer comes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.connect()
        # Who calls a port that nobody serves yet may get that very port for itself, and answer itself.
        if connection.sock.getsockname() == connection.sock.getpeername():
            raise ConnectionRefusedError(f"nobody serves port {port}")
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, answer.read().decode(errors="replace"))
    finally:
        connection.close()


def post(port: int, path: str, value: Any, write_key: str) -> Answer:
    """Post a value as JSON under a write key."""
    headers = basic(write_key) | {"Content-Type": "application/json"}
    return ask(port, "POST", path, json.dumps(value).encode(), headers)
