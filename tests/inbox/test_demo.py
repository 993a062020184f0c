"""The demo page without a browser: who may see it, and what it says where something is missing."""

from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from destinations.demo import views
from destinations.models import Connection, Destination
from ingest.models import Source


@pytest.fixture
def shown(committed: None) -> Source:
    source = Source.objects.create(name="web", write_key="the-key")
    inbox = Destination.objects.create(name="inbox", type="inbox")
    Connection.objects.create(source=source, destination=inbox)
    return source


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "index.mjs"
    monkeypatch.setattr(views, "SDK", path)
    return path


def page() -> str:
    return Client().get("/demo/").content.decode()


def test_the_page_has_the_key_of_a_source_that_the_inbox_shows(shown: Source, sdk: Path) -> None:
    sdk.write_text("export {}")
    assert "the\\u002Dkey" in page()
    answer = Client().get("/demo/sdk.mjs")
    assert (b"".join(answer.streaming_content), answer["content-type"]) == (  # type: ignore[attr-defined]
        b"export {}",
        "text/javascript; charset=utf-8",
    )


def test_without_the_sdk_the_page_says_how_to_get_it(shown: Source, sdk: Path) -> None:
    assert "make web-sdk" in page()
    assert Client().get("/demo/sdk.mjs").status_code == 404


def test_a_retired_source_is_not_shown(shown: Source, sdk: Path) -> None:
    sdk.write_text("export {}")
    Source.objects.update(retired_at="2026-11-24T10:00:00Z")
    assert "the\\u002Dkey" not in page()
    assert "No source is connected to an inbox" in page()


def test_the_page_runs_nothing_that_is_not_its_own(shown: Source, sdk: Path) -> None:
    policy = Client().get("/demo/")["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; connect-src 'self'; script-src 'self' 'nonce-")


def test_it_is_there_only_where_the_inbox_is(shown: Source, sdk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.ENV, "INBOX_ENABLED", False)
    sdk.write_text("export {}")
    assert [Client().get(path).status_code for path in ("/demo/", "/demo/sdk.mjs")] == [404, 404]
