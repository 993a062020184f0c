"""The inbox over HTTP."""

import json
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from destinations.inbox import store
from destinations.inbox.models import InboxDelivery


@pytest.fixture
def client(committed: None, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setitem(settings.ENV, "INBOX_ENABLED", True)
    return Client(enforce_csrf_checks=True)


def deliver(client: Client, body: str | bytes, name: str = "inbox", **headers: str) -> int:
    address = f"/inbox/deliver/{name}"
    return client.post(address, body, content_type="application/json", headers=headers).status_code


def deliveries(client: Client, query: str = "") -> list[dict[str, Any]]:
    answer = client.get("/inbox.json" + query)
    assert (answer.status_code, answer["Content-Type"], answer["Cache-Control"]) == (
        200,
        "application/json",
        "no-store",
    )
    return list(json.loads(answer.content)["deliveries"])


def test_a_delivery_is_shown_with_its_event_exact_and_its_secrets_masked(client: Client) -> None:
    body = '{"messageId": "m-1", "n": 123456789012345678901234567890, "text": "ü\\ud800"}'
    assert deliver(client, body, "my%20inbox", Authorization="Bearer abc", X_Api_Key="abc") == 200
    (shown,) = deliveries(client)
    assert shown["destination"] == "my inbox"
    assert shown["body"] == json.loads(body)
    assert shown["headers"]["authorization"] == shown["headers"]["x-api-key"] == "***"
    assert shown["headers"]["content-type"] == "application/json"
    assert shown["received_at"].endswith("Z")


def test_the_newest_comes_first_and_after_leaves_out_the_known(client: Client) -> None:
    for number in range(3):
        deliver(client, str(number))
    shown = deliveries(client)
    assert [delivery["body"] for delivery in shown] == [2, 1, 0]
    assert [delivery["body"] for delivery in deliveries(client, f"?after={shown[1]['id']}")] == [2]


@pytest.mark.parametrize("query", ["?after=x", "?after=-1", "?after=99999999999999999999"])
def test_a_nonsense_position_is_not_found(client: Client, query: str) -> None:
    assert client.get("/inbox.json" + query).status_code == 404


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"not json", "not json"),
        (b"\xff\x00", "\ufffd\ufffd"),
        (b'{"a": NaN}', '{"a": NaN}'),
        (b"", ""),
        (b"[" * 100_000, "[" * 100_000),
        (b'"' + b"x" * store.BODY_MOST_BYTES + b'"', {"too_large_to_show": store.BODY_MOST_BYTES + 2}),
    ],
)
def test_any_body_is_taken_and_the_feed_stays_json(client: Client, body: bytes, shown: Any) -> None:
    assert deliver(client, body) == 200
    assert deliveries(client)[0]["body"] == shown


def test_only_the_newest_are_kept(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "KEPT", 10)
    monkeypatch.setattr(store, "PRUNE_EVERY", 5)
    for number in range(40):
        deliver(client, str(number))
    assert InboxDelivery.objects.count() <= 15
    assert [delivery["body"] for delivery in deliveries(client)] == list(range(39, 29, -1))


def test_the_page_shows_no_data_of_its_own_and_runs_no_foreign_script(client: Client) -> None:
    answer = client.get("/inbox/")
    text = answer.content.decode()
    policy = answer["Content-Security-Policy"]
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert policy.startswith("default-src 'none'; connect-src 'self'")
    assert f'<script nonce="{nonce}">' in text
    assert "innerHTML" not in text
    assert "http://" not in text
    assert "https://" not in text
    assert client.get("/inbox").status_code == 200


def test_other_methods_are_refused(client: Client) -> None:
    lenient = Client()
    assert lenient.delete("/inbox/").status_code == 405
    assert lenient.post("/inbox.json").status_code == 405
    assert client.post("/inbox.json").status_code == 403


def test_the_inbox_has_no_cors(client: Client) -> None:
    for path in ("/inbox/", "/inbox.json"):
        assert "Access-Control-Allow-Origin" not in client.get(path, headers={"Origin": "https://evil.test"})


@pytest.mark.parametrize("path", ["/inbox/", "/inbox.json", "/inbox/deliver/inbox"])
def test_where_it_is_off_nothing_is_served_or_kept(client: Client, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setitem(settings.ENV, "INBOX_ENABLED", False)
    assert client.get(path).status_code == 404
    assert deliver(client, "1") == 404
    assert not InboxDelivery.objects.exists()
