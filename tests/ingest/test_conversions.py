"""Image queries and webhooks made into events."""

from typing import Any

import pytest

from ingest.conversions import first_values, from_query, from_webhook, webhook_value
from ingest.decode import BodyError

AT = "2026-11-24T15:00:00.000Z"


def test_the_parameters_of_an_image_become_fields_and_dotted_ones_nested_fields() -> None:
    query = "writeKey=WK&event=Mail+opened&anonymousId=a%20b&properties.mail.id=7&properties.list=vip&event=second"

    assert from_query(query, "track", AT) == {
        "channel": "web",
        "integrations": {"All": True},
        "originalTimestamp": AT,
        "sentAt": AT,
        "event": "Mail opened",
        "anonymousId": "a b",
        "properties": {"mail": {"id": "7"}, "list": "vip"},
    }


def test_a_page_image_without_a_name_has_the_usual_one() -> None:
    assert from_query("userId=u", "page", AT)["name"] == "Unknown Page"
    assert from_query("userId=u&name=Home", "page", AT)["name"] == "Home"


def test_a_parameter_cannot_nest_without_end_or_hold_nul() -> None:
    event = from_query("a" + ".a" * 100 + "=1&b%00=c%00", "track", AT)

    depth = 0
    while isinstance(event.get("a"), dict):
        event, depth = event["a"], depth + 1
    assert depth == 32
    assert from_query("b%00=c%00", "track", AT)["b"] == "c"


def test_a_parameter_below_one_that_is_text_replaces_it() -> None:
    assert from_query("p=1&p.q=2", "track", AT)["p"] == {"q": "2"}


@pytest.mark.parametrize(
    ("body", "content_type", "value"),
    [
        (b'{"a": 1}', "application/x-www-form-urlencoded", {"a": 1}),
        (b"a=1&b=x+y&writeKey=WK", "application/json", {"a": "1", "b": "x y"}),
        (
            b'--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--X--\r\n',
            "multipart/form-data; boundary=X",
            {"a": "1"},
        ),
    ],
)
def test_a_webhook_takes_json_and_forms(body: bytes, content_type: str, value: Any) -> None:
    assert webhook_value(body, content_type) == value


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"hello", ""), (b"", ""), (b"x", "multipart/form-data"), (b"=", ""), (b'{"url": "/?a=1', "")],
)
def test_a_webhook_that_is_neither_is_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(BodyError):
        webhook_value(body, content_type)


def test_a_webhook_becomes_a_track_event_of_a_user_of_its_own_and_a_list_several() -> None:
    ids = iter(["1", "2"])

    assert from_webhook([{"a": 1}, 5], lambda: next(ids)) == [
        {"event": "webhook_source_event", "anonymousId": "1", "properties": {"a": 1}},
        {"event": "webhook_source_event", "anonymousId": "2", "properties": {"value": 5}},
    ]


def test_the_first_of_equal_parameters_counts() -> None:
    assert first_values("a=1&a=2&b=") == {"a": "1", "b": ""}
