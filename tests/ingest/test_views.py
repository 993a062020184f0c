"""The ingest API inside one process: what is stored, and what each situation is answered."""

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from ingest.models import Event, RejectedEvent, Source
from ingest.rate import buckets

from .conftest import Post

Stored = Callable[[], list[dict[str, Any]]]
EVENT = {"userId": "u", "messageId": "m", "event": "Bought"}


def said(response: HttpResponse) -> tuple[int, str]:
    return response.status_code, response.content.decode()


@pytest.mark.parametrize(
    ("path", "event_type"),
    [
        ("/v1/identify", "identify"),
        ("/v1/track", "track"),
        ("/v1/page", "page"),
        ("/v1/screen", "screen"),
        ("/v1/group", "group"),
        ("/v1/alias", "alias"),
        ("/v1/merge", "merge"),
        ("/v1/i", "identify"),
        ("/v1/t", "track"),
        ("/v1/p", "page"),
        ("/v1/s", "screen"),
        ("/v1/g", "group"),
        ("/v1/a", "alias"),
        ("/v1/track/", "track"),
    ],
)
def test_a_single_event_route_stores_an_event_of_its_type(
    post: Post, stored: Stored, path: str, event_type: str
) -> None:
    assert said(post(path, EVENT)) == (200, "OK")

    (event,) = stored()
    assert (event["type"], event["event"], event["userId"]) == (event_type, "Bought", "u")


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/import", "/v1/b", "/v1/batch/"])
def test_a_batch_route_stores_its_events_in_their_order(post: Post, stored: Stored, path: str) -> None:
    events = [{"type": "track", "userId": "u", "messageId": name} for name in ("c", "a", "b")]

    assert said(post(path, {"batch": events})) == (200, "OK")
    assert [event["messageId"] for event in stored()] == ["c", "a", "b"]


def test_a_batch_with_bad_events_is_200_and_lists_them(post: Post, stored: Stored) -> None:
    batch = [{"type": "track", "messageId": "bad"}, {"type": "track", "userId": "u", "messageId": "good"}]
    response = post("/v1/batch", {"batch": batch})

    assert response.status_code == 200
    assert json.loads(response.content) == {
        "accepted": 1,
        "rejected": [{"index": 0, "messageId": "bad", "reason": "request neither has anonymousId nor userId"}],
    }
    assert [event["messageId"] for event in stored()] == ["good"]
    rejected = RejectedEvent.objects.get()
    assert (rejected.message_id, rejected.reason) == ("bad", "request neither has anonymousId nor userId")
    assert json.loads(rejected.payload) == batch[0]


def test_a_batch_of_bad_events_only_is_200_too(post: Post) -> None:
    response = post("/v1/batch", {"batch": [1, 2]})

    assert response.status_code == 200
    assert json.loads(response.content)["accepted"] == 0
    assert RejectedEvent.objects.count() == 2


def test_a_bad_event_on_a_single_event_route_is_400_with_the_reason_and_kept(post: Post) -> None:
    assert said(post("/v1/track", {"event": "x"})) == (400, "request neither has anonymousId nor userId")
    assert said(post("/v1/track", [EVENT])) == (400, "event is not a JSON object")
    assert list(RejectedEvent.objects.order_by("pk").values_list("reason", flat=True)) == [
        "request neither has anonymousId nor userId",
        "event is not a JSON object",
    ]


@pytest.mark.parametrize(
    ("path", "body", "answer"),
    [
        ("/v1/track", b"{", (400, "invalid json")),
        ("/v1/track", b'{"userId": NaN}', (400, "invalid json")),
        ("/v1/track", b"", (400, "request body is nil")),
        ("/v1/batch", b"", (400, "request body is nil")),
        ("/v1/batch", b"[]", (400, "empty batch payload")),
        ("/v1/batch", b'{"batch": []}', (400, "empty batch payload")),
        ("/v1/batch", b'{"batch": "x"}', (400, "empty batch payload")),
        ("/v1/batch", b"[" * 100_000, (400, "invalid json")),
    ],
)
def test_a_body_without_events_is_400(post: Post, path: str, body: bytes, answer: tuple[int, str]) -> None:
    assert said(post(path, body)) == answer
    assert not Event.objects.exists()


def test_a_truncated_gzip_body_is_refused_with_400(post: Post) -> None:
    packed = gzip.compress(json.dumps(EVENT).encode())

    assert said(post("/v1/track", packed[:-9], content_encoding="gzip")) == (400, "truncated gzip")
    assert said(post("/v1/track", b"{}", content_encoding="gzip")) == (400, "invalid gzip")
    assert said(post("/v1/track", packed, content_encoding="gzip")) == (200, "OK")


def test_a_gzip_bomb_is_refused_with_413(post: Post) -> None:
    bomb = gzip.compress(b'{"userId": "' + b"a" * 50_000_000 + b'"}')

    assert said(post("/v1/track", bomb, content_encoding="gzip")) == (413, "request size exceeds max limit")


def test_a_batch_as_large_as_the_largest_sdk_batch_is_accepted(post: Post, stored: Stored) -> None:
    event = {"type": "track", "userId": "u", "properties": {"text": "x" * (4 * 1024 * 1024)}}

    assert said(post("/v1/batch", {"batch": [event, event]})) == (200, "OK")
    assert len(stored()) == 2


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "x"]
)
def test_the_content_type_does_not_matter(post: Post, content_type: str) -> None:
    assert said(post("/v1/track", EVENT, content_type=content_type)) == (200, "OK")


@pytest.mark.parametrize(
    "authorization",
    ["", "Basic", "Basic !", "Basic Og==", "Bearer V0s6", "Basic " + base64.b64encode(b"\xff:").decode()],
)
def test_a_request_without_a_write_key_is_401(post: Post, authorization: str) -> None:
    response = post("/v1/track", EVENT, key=None, authorization=authorization)

    assert said(response) == (401, "failed to read writekey from header")


def test_a_write_key_that_nobody_has_is_401(post: Post) -> None:
    assert said(post("/v1/track", EVENT, key="other")) == (401, "invalid write key")
    assert not RejectedEvent.objects.exists()


def test_a_write_key_made_a_moment_ago_is_known(post: Post) -> None:
    post("/v1/track", EVENT)
    Source.objects.create(name="new", write_key="NEW")

    assert said(post("/v1/track", EVENT, key="NEW")) == (200, "OK")


def test_a_disabled_source_is_404_in_words_that_sdks_know(post: Post) -> None:
    Source.objects.create(name="off", write_key="OFF", enabled=False)

    assert said(post("/v1/track", EVENT, key="OFF")) == (404, "source is disabled")


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/track"), ("PUT", "/v1/batch"), ("POST", "/pixel/v1/track")])
def test_a_wrong_method_is_405_before_any_look_at_the_key(source: Source, method: str, path: str) -> None:
    response = Client().generic(method, path)

    assert response.status_code == 405
    assert "OPTIONS" in response["Allow"]


def test_a_source_over_its_rate_is_429_and_told_when_to_come_back(post: Post) -> None:
    slow = Source.objects.create(name="slow", write_key="SLOW", rate_limit=1)
    buckets.take(slow.pk, 1)
    response = post("/v1/track", EVENT, key="SLOW")

    assert said(response) == (429, "max requests limit reached")
    assert response["Retry-After"] == "1"
    assert said(post("/v1/track", EVENT)) == (200, "OK")


def test_a_copy_is_answered_like_the_first_and_stored_once(post: Post, stored: Stored) -> None:
    assert said(post("/v1/track", EVENT)) == (200, "OK")
    assert said(post("/v1/track", EVENT | {"sentAt": "2026-01-01T00:00:00Z"})) == (200, "OK")
    assert len(stored()) == 1


def test_a_preflight_is_answered_without_a_key_and_echoes_what_it_asks_for(source: Source) -> None:
    wanted = "authorization,content-type,rsa-retry-attempt,x-made-up"
    response = Client().options("/v1/track", headers={"access-control-request-headers": wanted})

    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Access-Control-Allow-Headers"] == wanted
    assert response["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS"
    assert response["Access-Control-Max-Age"] == "7200"
    assert "Access-Control-Allow-Credentials" not in response


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/batch", "/v1/b", "/v1/m", "/beacon/v1/batch", "/pixel/v1/page", "/v1/webhook", "/rsaMetrics", "/v1/i/"),
        *("/sourceConfig", "/sourceConfig/", "/v1/projects/WK/settings"),
    ],
)
def test_every_ingest_path_answers_preflights(source: Source, path: str) -> None:
    assert Client().options(path)["Access-Control-Allow-Origin"] == "*"


def test_errors_of_ingest_carry_cors_headers_and_pages_do_not(post: Post) -> None:
    refused = post("/v1/track", b"{")

    assert refused["Access-Control-Allow-Origin"] == "*"
    assert refused["Access-Control-Expose-Headers"] == "Retry-After"
    assert refused["Content-Type"] == "text/plain; charset=utf-8"
    for path in ("/admin/login/", "/version", "/robots.txt", "/v1/unknown"):
        assert "Access-Control-Allow-Origin" not in Client().get(path)


def test_a_beacon_carries_its_key_in_the_query(post: Post, stored: Stored) -> None:
    body = {"batch": [EVENT | {"type": "track"}], "sentAt": "2026-01-01T00:00:00Z"}

    assert said(post("/beacon/v1/batch?writeKey=WK", body, key=None, content_type="text/plain")) == (200, "OK")
    assert said(post("/beacon/v1/batch", body)) == (401, "failed to read writekey from query params")
    assert said(post("/beacon/v1/batch?writeKey=no", body)) == (401, "invalid write key")
    assert len(stored()) == 1


def test_an_image_request_stores_an_event_and_shows_an_image(source: Source, stored: Stored) -> None:
    response = Client().get("/pixel/v1/track?writeKey=WK&event=Opened&anonymousId=a&properties.mail=5")

    assert (response.status_code, response["Content-Type"]) == (200, "image/gif")
    assert response.content.startswith(b"GIF89a")
    (event,) = stored()
    assert (event["type"], event["event"], event["properties"]) == ("track", "Opened", {"mail": "5"})
    assert "writeKey" not in event


@pytest.mark.parametrize(
    ("query", "status"),
    [("writeKey=WK", 400), ("writeKey=no&userId=u", 401), ("userId=u", 401), ("writeKey=WK&userId=u", 200)],
)
def test_an_image_request_shows_an_image_with_the_true_status(source: Source, query: str, status: int) -> None:
    response = Client().get(f"/pixel/v1/page?{query}")

    assert (response.status_code, response["Content-Type"]) == (status, "image/gif")
    assert response.content.startswith(b"GIF89a")
    assert response["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("body", "properties"),
    [(b'{"order": 5}', {"order": 5}), (b"order=5&x=", {"order": "5", "x": ""}), (b"7", {"value": 7})],
)
def test_a_webhook_becomes_a_track_event(post: Post, stored: Stored, body: bytes, properties: Any) -> None:
    assert said(post("/v1/webhook?writeKey=WK", body, key=None)) == (200, "OK")

    (event,) = stored()
    assert (event["type"], event["event"], event["properties"]) == ("track", "webhook_source_event", properties)


def test_a_webhook_may_be_a_get_and_may_use_a_header(post: Post, stored: Stored) -> None:
    assert Client().get("/v1/webhook?writeKey=WK&order=5").status_code == 200
    assert post("/v1/webhook", [{"order": 6}, {"order": 7}]).status_code == 200
    assert said(post("/v1/webhook", {}, key=None)) == (401, "failed to read writekey from header")
    assert [event["properties"]["order"] for event in stored()] == ["5", 6, 7]


@pytest.mark.parametrize("path", ["/v1/m", "/rsaMetrics", "/rsaRequest"])
def test_what_sdks_say_of_themselves_is_taken_and_forgotten(post: Post, path: str) -> None:
    assert said(post(path, {"series": []}, key=None)) == (200, "OK")
    assert not Event.objects.exists()


def test_numbers_are_stored_exactly_as_sent(post: Post) -> None:
    post(
        "/v1/track", b'{"userId": 12345678901234567890, "properties": {"n": 123456789012345678901234567890, "f": 0.1}}'
    )

    payload = Event.objects.values_list("payload", flat=True).get()
    assert '"userId":"12345678901234567890"' in payload
    assert '"properties":{"n":123456789012345678901234567890,"f":0.1}' in payload


def test_the_address_of_an_event_is_the_peers(post: Post, stored: Stored) -> None:
    post("/v1/track", EVENT, x_forwarded_for="198.51.100.7")

    assert stored()[0]["request_ip"] == "127.0.0.1"
