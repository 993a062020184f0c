"""A caller of the API with a token for everything, and a source connected to a destination."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from destinations.api import tokens
from destinations.api.models import ApiToken
from destinations.models import Connection, Destination
from ingest.models import Source

SECRET = "s3cret-value"
CONFIG = {"webhookUrl": "http://h.test/in", "headers": [{"from": "X-Token", "to": SECRET}]}


@dataclass
class Api:
    """Calls with one token; each returns (status, body)."""

    secret: str

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {self.secret}"} if self.secret else {}
        data = b"" if body is None else json.dumps(body).encode()
        answer = Client().generic(
            method, f"/api/v1/{path}", data, content_type="application/json", headers=headers, query_params=query
        )
        return answer.status_code, json.loads(answer.content)

    def get(self, path: str, **query: Any) -> Any:
        status, body = self.call("GET", path, **query)
        assert status == 200, body
        return body

    def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        return self.call("POST", path, body)

    def patch(self, path: str, body: Any) -> tuple[int, Any]:
        return self.call("PATCH", path, body)


@pytest.fixture
def allowed(committed: None) -> Callable[..., Api]:
    """A caller that has these scopes."""

    def make(*scopes: str) -> Api:
        _, secret = tokens.create(f"token {ApiToken.objects.count()}", scopes, "ada", None)
        return Api(secret)

    return make


@pytest.fixture
def api(allowed: Callable[..., Api]) -> Api:
    return allowed(*ApiToken.Scope.values)


@pytest.fixture
def source(committed: None) -> Source:
    return Source.objects.create(name="web", write_key="the-write-key")


@pytest.fixture
def hook(source: Source) -> Destination:
    made = Destination.objects.create(name="hook", type="webhook", config=CONFIG)
    Connection.objects.create(source=source, destination=made)
    return made
