"""A production deployment: what check --deploy says, what proxies may say, and how pages travel."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client

from ingest import answers
from ingest.models import Source
from rudderproj.settings import database
from tests.ingest.web import WebProcess

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "SECRET_KEY": "gmAIm7yZLhk2LrTo9kqM0bFZ7oQ3nqZ2nZyK1R8Uq5zJb0o3j8m9vXcT",
    "ALLOWED_HOSTS": "admin.example.com",
    "TRUSTED_PROXIES": "127.0.0.0/8",
    "HTTPS_ONLY": "1",
    "INBOX_ENABLED": "0",
    "EGRESS_ALLOW": "",
    "DEBUG": "0",
}
PROXIED = {"Host": "admin.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}


@pytest.fixture
def production(committed: None, process_env: dict[str, str]) -> Iterator[WebProcess]:
    """A web process with a production's settings, behind a proxy on this machine."""
    Source.objects.create(name="web", write_key="WK")
    process = WebProcess(process_env, **PRODUCTION)
    yield process
    process.stop()


def get(web: WebProcess, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    status, found, body = web.request("GET", path, b"", 30, **headers)
    return status, {name.lower(): value for name, value in found.items()}, body


@pytest.mark.process
def test_check_deploy_finds_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=os.environ | PRODUCTION,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (
        0,
        "System check identified no issues (2 silenced).",
        "",
    )


def test_pages_travel_by_https_alone_and_sdks_are_not_asked(production: WebProcess) -> None:
    plain = {"Host": "admin.example.com"}
    status, headers, _ = get(production, "/admin/login/", **plain)
    assert (status, headers["location"]) == (301, "https://admin.example.com/admin/login/")
    status, headers, body = get(production, "/admin/login/", **PROXIED)
    assert status == 200
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert "; Secure" in headers["set-cookie"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert b"csrfmiddlewaretoken" in body
    status, headers, body = production.track({"userId": "ada", "event": "x"})
    assert (status, body) == (200, b"OK")
    ours = {"content-type", "content-length", "date", "server"}
    assert {name.lower() for name in headers} <= ours | {name.lower() for name in answers.CORS}
    for path in ("/health", "/ready", "/version"):
        assert get(production, path)[0] == 200


def test_a_page_is_answered_to_the_hosts_named_and_an_event_to_any(production: WebProcess) -> None:
    assert get(production, "/admin/login/", **PROXIED | {"Host": "events.example.com"})[0] == 400
    assert get(production, "/admin/login/", **PROXIED | {"X-Forwarded-Host": "evil.example.com"})[0] == 400
    assert production.request("POST", "/v1/m", b"{}", 30, Host="events.example.com")[0] == 200


def test_static_files_are_served_cached_and_revalidated(web: WebProcess) -> None:
    status, headers, body = get(web, "/static/admin/css/base.css")
    assert (status, headers["cache-control"]) == (200, "max-age=600, public")
    assert len(body) > 1000
    again = get(web, "/static/admin/css/base.css", **{"If-Modified-Since": headers["last-modified"]})
    assert (again[0], again[2]) == (304, b"")
    assert get(web, "/static/../manage.py")[0] in (400, 404)


def test_what_an_image_collected_is_served_compressed(db: None, settings: Any, tmp_path: Path) -> None:
    settings.STATIC_ROOT, settings.WHITENOISE_USE_FINDERS = tmp_path, False
    call_command("collectstatic", interactive=False, verbosity=0)
    answer = Client().get("/static/admin/css/base.css", headers={"accept-encoding": "gzip"})
    assert (answer.status_code, answer.headers["Content-Encoding"]) == (200, "gzip")


@pytest.mark.parametrize(
    ("peer", "trusted", "said", "secure"),
    [
        ("10.0.0.1", ["10.0.0.0/8"], "https", True),
        ("10.0.0.1", ["10.0.0.0/8"], "http", False),
        ("10.0.0.1", ["10.0.0.0/8"], "http, https", True),
        ("10.0.0.1", ["10.0.0.0/8"], "https, http", False),
        ("192.0.2.1", ["10.0.0.0/8"], "https", False),
        ("192.0.2.1", [], "https", False),
    ],
)
def test_only_a_trusted_proxy_says_that_a_request_came_by_https(
    db: None, settings: Any, peer: str, trusted: list[str], said: str, secure: bool
) -> None:
    settings.ENV = settings.ENV | {"TRUSTED_PROXIES": trusted}
    headers = {"x-forwarded-proto": said, "x-forwarded-host": "localhost"}
    answer = Client().get("/admin/login/", REMOTE_ADDR=peer, headers=headers)
    assert answer.wsgi_request.is_secure() is secure
    assert answer.wsgi_request.get_host() == ("localhost" if peer.startswith("10.") else "testserver")


def test_every_kind_of_page_has_its_policy(committed: None) -> None:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("ada", password="x"))
    admin = client.get("/admin/")
    assert admin.status_code == 200
    policy = admin.headers["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval';" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "nonce-" in client.get("/inbox/").headers["Content-Security-Policy"]
    assert client.get("/inbox.json").headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    docs = client.get("/api/v1/docs/")
    assert "script-src 'self';" in docs.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*src=)", docs.content.decode())
    missing = client.get("/nothing-here").headers["Content-Security-Policy"]
    assert "script-src 'self';" in missing


def test_tls_to_the_database_comes_with_its_url() -> None:
    made = database("postgresql://u:p%40ss@db.example.com:5433/events?sslmode=verify-full&sslrootcert=/etc/ca.pem")
    assert made["OPTIONS"]["sslmode"] == "verify-full"
    assert made["OPTIONS"]["sslrootcert"] == "/etc/ca.pem"
    assert (made["HOST"], made["PORT"], made["PASSWORD"]) == ("db.example.com", "5433", "p@ss")
