"""The API and the ingest of a running stack, for the faults that change the configuration."""

import base64
import contextlib
import http.client
import json
from typing import Any

from drills.stack import NotSo, Stack

SCOPES = ("read", "sources:write", "destinations:write")
TIMEOUT_SECONDS = 20


class Api:
    """Asks with a token of the drill's own."""

    def __init__(self, stack: Stack, name: str) -> None:
        self._stack = stack
        scopes = [word for scope in SCOPES for word in ("--scope", scope)]
        self._token = stack.manage("token", "create", name, *scopes, "--days", "1").split()[-1]

    def post(self, path: str, **value: Any) -> Any:
        return self._ask("POST", path, value)

    def patch(self, path: str, **value: Any) -> Any:
        return self._ask("PATCH", path, value)

    def _ask(self, method: str, path: str, value: Any) -> Any:
        status, body = _ask(self._stack, method, f"/api/v1/{path}", value, f"Bearer {self._token}")
        if status >= 300:
            raise NotSo(f"{method} {path}: {status} {body[:200]}")
        return json.loads(body)


def post_event(stack: Stack, write_key: str, event: dict[str, Any]) -> bool:
    """Whether it was acknowledged. Raises OSError or http.client.HTTPException when no answer came."""
    login = base64.b64encode(f"{write_key}:".encode()).decode()
    return _ask(stack, "POST", "/v1/track", event, f"Basic {login}")[0] == 200


def _ask(stack: Stack, method: str, path: str, value: Any, login: str) -> tuple[int, str]:
    """Status and body of one request over its own connection."""
    headers = {"Authorization": login, "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(stack.host, stack.web_port, timeout=TIMEOUT_SECONDS)
    with contextlib.closing(connection):
        connection.request(method, path, json.dumps(value), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
