"""A public web process serves SDKs and probes, and nothing that shows, counts or changes something."""

import json
from collections.abc import Iterator

import pytest
from django.urls import URLPattern, URLResolver

from ingest.models import Source
from rudderproj import urls
from tests.ingest.web import WebProcess, basic

PRIVATE = [
    "/",
    "/admin",
    "/admin/",
    "/admin/login/",
    "/admin/jsi18n/",
    "/static/admin/css/base.css",
    "/inbox/",
    "/inbox.json",
    "/metrics",
    "/api/v1/status",
    "/api/schema/",
    "/../admin/",
    "//admin/",
    "/%61dmin/",
]


@pytest.fixture
def public(committed: None, process_env: dict[str, str]) -> Iterator[WebProcess]:
    Source.objects.create(name="web", write_key="WK")
    process = WebProcess(process_env, PUBLIC_ONLY="1", INBOX_ENABLED="1", ALLOWED_HOSTS="admin.example.com")
    yield process
    process.stop()


def test_nothing_private_is_served_and_events_are(public: WebProcess) -> None:
    for path in PRIVATE:
        for method in ("GET", "POST", "OPTIONS"):
            status, headers, body = public.request(method, path)
            assert (status, body) == (404, b"not found"), (method, path)
            assert "set-cookie" not in {name.lower() for name in headers}
    assert public.request("POST", "/inbox/deliver/x", b"{}")[0] == 404
    assert public.track({"userId": "ada", "event": "x"})[:1] == (200,)
    answer = public.request("OPTIONS", "/v1/batch")
    assert (answer[0], answer[1]["access-control-allow-origin"]) == (200, "*")
    assert [public.get(path)[0] for path in ("/health", "/ready", "/version", "/robots.txt")] == [200] * 4
    batch = json.dumps({"batch": [{"type": "track", "event": "x", "userId": "u"}]}).encode()
    assert public.request("POST", "/v1/batch", batch, Authorization=basic("WK"))[::2] == (200, b"OK")


def test_otherwise_everything_is_served(web: WebProcess) -> None:
    assert web.get("/inbox/")[0] == 200
    assert web.get("/admin/login/")[0] in (200, 400)  # 400: the host of the test is none of ours
    assert web.track({"userId": "ada", "event": "x"})[0] == 200


def patterns(found: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for one in found:
        if isinstance(one, URLPattern):
            yield one
        else:
            yield from patterns(one.url_patterns)


def test_every_public_view_does_without_middleware() -> None:
    assert [one.pattern for one in patterns(urls.PUBLIC) if not hasattr(one.callback, "rudderproj_direct")] == []
