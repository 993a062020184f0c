"""Fixtures of the ingest tests: a source, requests inside this process, a real web process."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from ingest import log
from ingest.models import Event, Source
from tests.ingest.web import WebProcess, basic

Post = Callable[..., HttpResponse]
SOURCE_ID = 1_000_000


@pytest.fixture
def source(committed: None) -> Iterator[Source]:
    """An enabled source with the write key WK; the log's connection is closed afterwards."""
    # Always the same row: a web process that several tests share knows it by its id for a second.
    yield Source.objects.create(pk=SOURCE_ID, name="web", write_key="WK")
    log.stop()


@pytest.fixture
def post(source: Source) -> Post:
    """Post to this process: `post(path, value_or_bytes, **headers)`, as the source unless `key` says otherwise."""

    def send(path: str, body: Any, key: str | None = "WK", **headers: str) -> HttpResponse:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        if key is not None:
            headers = {"authorization": basic(key)} | headers
        content_type = headers.pop("content_type", "application/json")
        return Client().post(path, content, content_type=content_type, headers=headers)  # type: ignore[return-value]

    return send


@pytest.fixture
def stored() -> Callable[[], list[dict[str, Any]]]:
    """The payloads of the log in its order."""
    return lambda: [
        json.loads(text) for text in Event.objects.order_by("xid", "position").values_list("payload", flat=True)
    ]


@pytest.fixture(scope="module")
def webs() -> Iterator[list[WebProcess]]:
    """The web process that the tests of a file share, once one has started it."""
    started: list[WebProcess] = []
    yield started
    for process in started:
        assert process.stop() == 0


@pytest.fixture
def web(source: Source, process_env: dict[str, str], webs: list[WebProcess]) -> WebProcess:
    """A web process with the default settings on the test database."""
    if not webs:
        webs.append(WebProcess(process_env))
    return webs[0]


@pytest.fixture
def start(source: Source, process_env: dict[str, str]) -> Iterator[Callable[..., WebProcess]]:
    """Start web processes with settings of their own."""
    started: list[WebProcess] = []

    def run(**settings: str) -> WebProcess:
        started.append(WebProcess(process_env, **settings))
        return started[-1]

    yield run
    for process in started:
        process.stop()
