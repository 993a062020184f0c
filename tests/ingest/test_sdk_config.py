"""What SDKs are told before they begin."""

import json
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from ingest import retiring
from ingest.config import sources
from ingest.models import Source
from tests.ingest.conftest import Post
from tests.ingest.web import WebProcess, basic

WEB = "/sourceConfig/?p=npm&v=3.34.1&build=modern&writeKey=WK&lockIntegrationsVersion=true&lockPluginsVersion=true"
ANDROID = "/sourceConfig?p=android&v=1.28.0&bv=34"
KOTLIN = "/sourceConfig?p=android&v=1.4.0&writeKey=WK&bv=34"
SWIFT = "/sourceConfig?p=swift&v=1.0.0&bv=1&writeKey=WK"
SEGMENT = "/v1/projects/WK/settings"


def get(path: str, key: str | None = "WK") -> HttpResponse:
    headers = {"authorization": basic(key)} if key is not None else {}
    return Client().get(path, headers=headers)  # type: ignore[return-value]


def config(path: str = ANDROID) -> dict[str, Any]:
    response = get(path)
    assert response.status_code == 200
    return json.loads(response.content)["source"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("path", [WEB, ANDROID, "/sourceConfig?p=ios&v=1.31.0", KOTLIN, SWIFT])
def test_every_sdk_gets_every_field_that_one_of_them_wants(source: Source, path: str) -> None:
    assert config(path) == {
        "id": f"source-{source.pk}",
        "name": "web",
        "writeKey": "WK",
        "enabled": True,
        "workspaceId": "rudderproj",
        "updatedAt": source.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "config": {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}},
        "destinations": [],
    }


def test_the_key_may_be_in_the_query_alone(source: Source) -> None:
    assert json.loads(get(KOTLIN, None).content)["source"]["writeKey"] == "WK"


def test_segments_settings_name_our_integration_want_no_metrics_and_raise_the_number_of_retries(source: Source) -> None:
    response = get(SEGMENT, None)
    delivery = {"backoffConfig": {"maxRetryCount": 100}, "rateLimitConfig": {"maxRetryCount": 100}}
    assert json.loads(response.content) == {
        "integrations": {"Segment.io": {"apiKey": "WK", "httpConfig": delivery}},
        "metrics": {"sampleRate": 0},
    }
    assert response["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", [WEB, SEGMENT])
def test_a_browser_keeps_the_answer_and_nobody_on_the_way_does(source: Source, path: str) -> None:
    response = get(path)
    assert response["Cache-Control"] == "private, max-age=86400"
    assert response["Vary"] == "Authorization"
    assert response["Access-Control-Allow-Origin"] == "*"


def test_a_source_that_is_switched_off_refuses_events_and_still_says_enabled(post: Post, source: Source) -> None:
    Source.objects.update(enabled=False)
    sources.clear()
    assert post("/v1/track", {"userId": "u"}).status_code == 404
    assert config()["enabled"] is True


def test_a_retired_source_refuses_events_and_says_so_until_it_is_taken_back(post: Post, source: Source) -> None:
    assert retiring.retire(source.pk, "ada")
    assert not retiring.retire(source.pk, "ada")
    sources.clear()
    refused = post("/v1/track", {"userId": "u"})
    assert (refused.status_code, refused.content) == (404, b"source is disabled")
    assert config()["enabled"] is False
    assert get(WEB)["Cache-Control"] == "no-store"
    assert retiring.restore(source.pk, "ada")
    sources.clear()
    assert config()["enabled"] is True
    assert post("/v1/track", {"userId": "u", "event": "e"}).status_code == 200


def test_an_unknown_key_is_told_so_in_the_words_and_the_status_that_mobile_sdks_know(source: Source) -> None:
    refused = get(ANDROID, "nobody")
    assert (refused.status_code, refused.content) == (400, b"invalid write key")
    assert "Cache-Control" not in refused
    assert get("/v1/projects/nobody/settings", None).status_code == 400


def test_without_a_key_nothing_is_told(source: Source) -> None:
    refused = get("/sourceConfig", None)
    assert (refused.status_code, refused.content) == (401, b"failed to read writekey from header")


def test_asking_costs_nothing_of_the_sources_rate(source: Source) -> None:
    Source.objects.update(rate_limit=1)
    sources.clear()
    assert [get(ANDROID).status_code for _ in range(5)] == [200] * 5


def test_a_key_that_has_been_replaced_is_answered_with_itself(source: Source) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ingest_source SET previous_write_key = 'WK', write_key = 'NEW',"
            " previous_key_valid_until = now() + interval '1 hour'"
        )
    sources.clear()
    assert config()["writeKey"] == "WK"


def test_a_web_process_answers_sdks_at_both_addresses_without_a_redirect(web: WebProcess) -> None:
    for path in ("/sourceConfig", "/sourceConfig/"):
        status, headers, body = web.request("GET", path, Authorization=basic("WK"))
        assert (status, headers["content-type"]) == (200, "application/json; charset=utf-8")
        assert json.loads(body)["source"]["enabled"] is True
    assert web.get("/v1/projects/WK/settings")[0] == 200
    assert web.request("POST", "/sourceConfig")[0] == 405
