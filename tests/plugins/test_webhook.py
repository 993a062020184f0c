"""Golden cases of the webhook plugin: event, configuration and context in, request out."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from destinations import registry
from destinations.plugins.base import BuildContext, BuildError, Request
from destinations.plugins.webhook.plugin import batch_events, build, build_batch

NOW = datetime(2021, 2, 25, 15, 15, 30, tzinfo=UTC)  # 1614266130
URL = "https://hook.test/in"


def built(
    config: dict[str, Any], event: dict[str, Any] | None = None, message_id: str = "m-1", text: str = ""
) -> Request:
    text = text or json.dumps(event or {"type": "track", "event": "Paid"})
    return build(text, json.loads(text), {"webhookUrl": URL} | config, BuildContext(NOW, message_id, 1))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_the_body_is_the_stored_text_to_the_last_byte(method: str) -> None:
    text = '{"type" : "track",  "n": 12345678901234567890123, "é": "\\u00e9"}'
    request = built({"webhookMethod": method}, text=text)
    assert request == Request(method, URL, [("content-type", "application/json")], text.encode(), None)


def test_the_method_is_post_unless_configured() -> None:
    assert built({}).method == "POST"


def test_headers_are_sent_and_replace_the_content_type_in_any_case() -> None:
    headers = [
        {"from": "X-Token", "to": "abc"},
        {"from": "Content-Type", "to": "application/vnd.x+json"},
        {"from": "", "to": ""},
        {"from": "X-Empty"},
    ]
    assert built({"headers": headers}).headers == [
        ("content-type", "application/vnd.x+json"),
        ("x-token", "abc"),
        ("x-empty", ""),
    ]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_get_and_delete_put_flattened_properties_into_the_query(method: str) -> None:
    event = {
        "type": "track",
        "properties": {"a": {"b": 1.5}, "list": ["x", {"y": True}], "none": None, "sp ace": "ü&="},
    }
    request = built({"webhookMethod": method, "webhookUrl": URL + "?k=1#f"}, event)
    assert request.url == URL + "?k=1&a.b=1.5&list%5B0%5D=x&list%5B1%5D.y=true&sp+ace=%C3%BC%26%3D#f"
    assert (request.body, request.headers) == (b"", [])


@pytest.mark.parametrize(
    "event",
    [
        {"type": "identify", "traits": {"plan": "pro"}},
        {"type": "identify", "context": {"traits": {"plan": "pro"}}},
    ],
)
def test_an_identify_sends_its_traits_as_the_query(event: dict[str, Any]) -> None:
    assert built({"webhookMethod": "GET"}, event).url == URL + "?plan=pro"


def test_a_get_without_properties_leaves_the_url_alone() -> None:
    assert built({"webhookMethod": "GET"}).url == URL


def test_properties_that_are_no_object_cannot_be_a_query() -> None:
    with pytest.raises(BuildError, match="not an object"):
        built({"webhookMethod": "GET"}, {"type": "track", "properties": [1]})


# The example of the Standard Webhooks specification.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SPEC = BuildContext(datetime.fromtimestamp(1614265330, UTC), "msg_p5jXN8AQM9LWM0D4loKWxJek", 3)
SPEC_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_signature_is_that_of_the_standard_webhooks_specification() -> None:
    request = build('{"test": 2432232314}', {}, {"webhookUrl": URL, "signing_secret": SECRET}, SPEC)
    assert dict(request.headers) == {
        "content-type": "application/json",
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": SPEC_SIGNATURE,
    }


def test_while_a_secret_is_replaced_there_is_a_signature_for_each() -> None:
    other = "whsec_" + "A" * 32
    request = build('{"test": 2432232314}', {}, {"webhookUrl": URL, "signing_secret": f"{other}  {SECRET}"}, SPEC)
    first, second = dict(request.headers)["webhook-signature"].split(" ")
    assert first.startswith("v1,")
    assert first != second
    assert second == SPEC_SIGNATURE


def test_a_message_id_that_no_header_can_carry_is_encoded() -> None:
    request = built({"signing_secret": SECRET}, message_id="a\r\nx: 1é ok/=%")
    assert dict(request.headers)["webhook-id"] == "a%0D%0Ax: 1%C3%A9 ok/=%25"


def test_a_timeout_is_passed_on() -> None:
    assert built({"timeout_seconds": 2.5}).timeout_seconds == 2.5


def test_the_inbox_sends_the_stored_text_to_its_url() -> None:
    request = registry.plugin("inbox").build('{"a": 1}', {"a": 1}, {"url": "http://127.0.0.1:1/inbox/deliver/x"}, SPEC)
    assert (request.method, request.url, request.body) == ("POST", "http://127.0.0.1:1/inbox/deliver/x", b'{"a": 1}')
    assert request.headers == [("content-type", "application/json"), ("x-attempt", "3")]


def test_a_batch_is_a_list_of_events_as_they_are_stored_signed_as_a_whole() -> None:
    events = ['{"type" : "track",  "n": 12345678901234567890123}', '{"é":"\\u00e9"}']
    config = {"webhookUrl": URL, "webhookMethod": "PUT", "timeout_seconds": 3, "headers": [{"from": "X-A", "to": "b"}]}
    made = build_batch(events, config, BuildContext(NOW, "batch-1", 1))
    body = f'{{"batch":[{events[0]},{events[1]}]}}'.encode()
    assert made == Request("PUT", URL, [("content-type", "application/json"), ("x-a", "b")], body, 3)
    assert [json.dumps(event) for event in json.loads(made.body)["batch"]] == [
        json.dumps(json.loads(event)) for event in events
    ]
    signed = build_batch(events, config | {"signing_secret": SECRET}, BuildContext(NOW, "batch-1", 1))
    assert dict(signed.headers)["webhook-id"] == "batch-1"
    assert "webhook-signature" in dict(signed.headers)


@pytest.mark.parametrize(
    ("config", "events"),
    [
        ({}, 1),
        ({"batch_events": 20}, 20),
        ({"batch_events": 20, "webhookMethod": "PATCH"}, 20),
        ({"batch_events": 20, "webhookMethod": "GET"}, 1),
        ({"batch_events": 20, "webhookMethod": "DELETE"}, 1),
    ],
)
def test_requests_with_a_body_carry_as_many_events_as_configured(config: dict[str, Any], events: int) -> None:
    assert batch_events({"webhookUrl": URL} | config) == events


@pytest.mark.parametrize(
    ("value", "valid"), [(1, True), (100, True), (0, False), (101, False), (2.5, False), (True, False)]
)
def test_a_batch_has_a_whole_number_of_events_and_not_too_many(value: object, valid: bool) -> None:
    problems = registry.schema("webhook").validate({"webhookUrl": URL, "batch_events": value})
    assert (problems == []) is valid
