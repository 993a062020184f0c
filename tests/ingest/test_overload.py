"""Whatever is the matter with us, SDKs are told to keep their events: 503 or 429, when to come back, in plain text,
and so that a browser lets its SDK read it."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
from django.db import InterfaceError, OperationalError

from ingest import answers, auth, log, routes
from ingest.config import ConfigUnavailable, SourceInfo, sources
from ingest.models import Source
from ingest.rate import buckets
from ingest.views import IngestView
from rudderproj import web_hooks
from rudderproj.listening import INHERITED
from rudderproj.web_body import BodyLateError, BodyReader
from rudderproj.web_hooks import Answer
from rudderproj.web_pool import WorkLateError
from rudderproj.web_shell import BusyError, Shell

from .conftest import Post
from .test_server import PATIENCE_SECONDS, a_commit_waits, commits_held, eventually
from .web import ROOT, WebProcess, answer, basic, free_port, head

EVENT = b'{"userId": "u", "type": "track", "event": "e", "batch": [{"type": "track", "userId": "u", "event": "e"}]}'
KEPT = {path for path, kind in routes.KINDS.items() if kind not in {"discarded", "config"}}
GUARD = ["rudderproj.guard", "--role", "web", "--", sys.executable, "-m"]
SETTINGS_PATH = "/v1/projects/WK/settings"

Found = tuple[int, dict[str, str], bytes]


def assert_told_to_come_back(path: str, found: Found, status: int = 503, seconds: str = "15") -> None:
    """What every SDK needs to know, and nothing that one of them would take for something else."""
    found_status, headers, body = found
    assert (path, found_status, headers["retry-after"]) == (path, status, seconds)
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-expose-headers"] == "Retry-After"
    if path in routes.PIXELS:
        assert (headers["content-type"], body) == ("image/gif", answers.PIXEL)
    else:
        assert headers["content-type"] == "text/plain; charset=utf-8"
        assert body in {b"service unavailable", b"max requests limit reached"}


def of(answer: Answer) -> Found:
    return answer.status, dict(answer.headers), answer.body


def ask(web: WebProcess, path: str) -> Found:
    """An event of the test's source by the route."""
    method, body = ("GET", b"") if path in routes.PIXELS else ("POST", EVENT)
    query = "?writeKey=WK&userId=u&event=e"
    return web.request(method, path + query, body, Authorization=basic("WK"))


# What is made of each fault of ours


@pytest.mark.parametrize(
    "error",
    [
        log.LogUnavailable("away"),
        TimeoutError(),
        OperationalError("server closed the connection unexpectedly"),
        InterfaceError("connection already closed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_fault_of_ours_is_told_as_one_that_passes(error: Exception) -> None:
    refusal = IngestView().refusal_of(error)

    assert (refusal.status_code, refusal.reason, refusal.headers) == (503, "service unavailable", {"Retry-After": "15"})


def test_sources_that_cannot_be_read_are_never_taken_for_unknown_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_key: str) -> SourceInfo:
        raise ConfigUnavailable

    monkeypatch.setattr(sources, "get", away)
    for look in (auth.source_of, auth.existing):
        with pytest.raises(answers.Refusal) as refused:
            look("WK")
        assert (refused.value.status_code, refused.value.headers) == (503, {"Retry-After": "15"})


@pytest.mark.parametrize("status", [429, 503])
def test_no_such_refusal_can_be_made_that_does_not_say_when_to_come_back(status: int) -> None:
    with pytest.raises(ValueError, match="Retry-After"):
        answers.Refusal(status, "later")


@pytest.mark.parametrize("path", [*routes.KINDS, SETTINGS_PATH, "/v1/track/"])
def test_what_the_web_server_turns_away_itself_is_told_the_same(path: str) -> None:
    assert_told_to_come_back(path, of(web_hooks.refusal(path, 503, web_hooks.UNAVAILABLE)))


def test_the_time_to_come_back_is_a_setting(settings: object) -> None:
    settings.ENV = settings.ENV | {"RETRY_AFTER_SECONDS": 60}  # type: ignore[attr-defined]

    assert of(web_hooks.refusal("/v1/track", 503, "later"))[1]["retry-after"] == "60"
    assert answers.unavailable().headers == {"Retry-After": "60"}


class Request:
    """granian's scope and protocol of a request that goes wrong in the shell."""

    proto, http_version, client, scheme, method, query_string = "http", "1.1", "127.0.0.1:1", "http", "POST", ""

    def __init__(self, path: str) -> None:
        self.path = path
        self.headers: dict[str, str] = {}
        self.found: list[Answer] = []

    async def __call__(self) -> bytes:
        return EVENT

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield EVENT

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.found.append(Answer(status, headers, body))


@pytest.mark.parametrize("error", [BodyLateError, BusyError, WorkLateError, None], ids=str)
def test_what_goes_wrong_around_django_is_told_the_same(
    error: type[Exception] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None: the process is ending."""
    request = Request("/v1/batch")

    async def fail(*_args: object) -> bytes:
        raise error() if error else AssertionError("it must not be read")

    async def serve() -> None:
        shell = Shell(lambda *_: [], BodyReader(1000, 1000, 1), ("127.0.0.1", "1"), 1, 1, 1)
        shell.__rsgi_init__(asyncio.get_running_loop())
        if error is None:
            await shell.drain()
        else:
            monkeypatch.setattr(shell, "_body", fail)
        await shell.__rsgi__(request, request)  # type: ignore[arg-type]

    asyncio.run(serve())

    (found,) = request.found
    assert_told_to_come_back("/v1/batch", of(found))
    assert (("connection", "close") in found.headers) == (error is None)


# A source over its rate


def test_over_its_rate_every_route_is_429_with_a_time_of_its_own(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "_clock", lambda: 100.0)
    limited = Source.objects.create(name="limited", write_key="SLOW", rate_limit=1)
    buckets.take(limited.pk, 1)

    for seconds, path in enumerate(sorted(KEPT - set(routes.PIXELS)), start=1):
        response = post(f"{path}?writeKey=SLOW", EVENT, key="SLOW")
        headers = {name.lower(): value for name, value in response.items()}
        assert_told_to_come_back(path, (response.status_code, headers, response.content), 429, str(seconds))


# The real process in the real situation


@pytest.mark.slow
def test_when_as_many_are_in_work_as_may_be_and_while_it_ends(
    start: Callable[..., WebProcess], stored: Callable[[], list[dict[str, object]]]
) -> None:
    web = start(WEB_MAX_REQUESTS="1", WEB_THREADS="1")
    statuses: list[int] = []
    body = b'{"userId": "u", "messageId": "begun"}'
    request = head("/v1/track", f"Content-Length: {len(body)}") + body
    with web.connect() as unfinished, web.connect() as idle:
        unfinished.sendall(request[:-5])
        with commits_held():
            waiting = threading.Thread(target=lambda: statuses.append(web.track({"userId": "u", "messageId": "m"})[0]))
            waiting.start()
            eventually(a_commit_waits)
            for path in KEPT:
                assert_told_to_come_back(path, ask(web, path))

            web.process.terminate()
            eventually(lambda: "web.stopping" in web.output())
            for path in ("/v1/batch", "/beacon/v1/batch", "/pixel/v1/page"):
                found = ask(web, path)
                assert_told_to_come_back(path, found)
                assert found[1]["connection"] == "close"
            idle.sendall(request)
            assert answer(idle) == (503, b"service unavailable")
            assert web.get("/ready")[0] == 503
            assert web.get("/health")[0] == 200
            assert web.request("OPTIONS", "/v1/track")[0] == 200
        waiting.join()
        unfinished.sendall(request[-5:])
        assert answer(unfinished) == (200, b"OK")

    assert statuses == [200]
    assert web.process.wait(PATIENCE_SECONDS) == 0
    assert [event["messageId"] for event in stored()] == ["m", "begun"]


@pytest.mark.slow
@pytest.mark.parametrize("by", [[], GUARD], ids=["alone", "guard"])
def test_a_client_that_comes_while_it_starts_waits_and_is_served(
    process_env: dict[str, str], source: Source, tmp_path: Path, by: list[str]
) -> None:
    """The socket is there before anything else is: who connects in the first moment is not refused."""
    port = free_port()
    environ = process_env | {"WEB_HOST": "127.0.0.1", "WEB_PORT": str(port), "DATA_DIR": str(tmp_path)}
    log = tmp_path / "log"
    with log.open("wb") as said:
        command = [sys.executable, "-m", *by, "rudderproj.server"]
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=said, stderr=said)
    try:
        with connected(port) as client:
            assert "web.started" not in log.read_text()
            client.sendall(head("/v1/track", "Content-Length: 15") + b'{"userId": "u"}')
            assert answer(client) == (200, b"OK")
        web = psutil.Process(process.pid).children()[0] if by else psutil.Process(process.pid)
        assert (INHERITED in web.environ()) == bool(by)
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def connected(port: int) -> socket.socket:
    """A connection, as soon as it is not refused."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    raise TimeoutError
