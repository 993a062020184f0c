"""Whatever comes in is answered 200 or 4xx, with the reason; what got 200 is stored and forwarded as it was sent."""

import json
import re
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from destinations.models import Connection, Destination
from ingest.models import Event, Source
from tests.e2e.sink import recording
from tests.forwarding.workers import forwarding
from tests.ingest import hostile
from tests.ingest.conftest import Post
from tests.ingest.web import WebProcess, answer, head
from tests.stack.harness import eventually

REASON = re.compile(r"[\x20-\x7e]{3,200}")
ENCODINGS = st.sampled_from(["", "gzip", "members", "mojibake", "identity", "br"])
COPIES = b"""{"batch": [
    {"userId": "u", "type": "track", "messageId": "m", "properties": 1},
    {"userId": "u", "type": "track", "messageId": "m", "properties": 2},
    {"userId": "u", "type": "track", "messageId": " ", "properties": 3},
    {"userId": "u", "type": "track", "messageId": " ", "properties": 4}
]}"""
LENGTHS = [pytest.param(60, id="briefly"), pytest.param(300, id="for long", marks=pytest.mark.slow)]


def sent(post: Post, path: str, body: bytes, encoding: str, damage: hostile.Damage) -> tuple[int, str]:
    """Post it, zipped as `encoding` says; status and content of the answer, which is one for clients to understand."""
    if encoding in ("gzip", "members", "mojibake"):
        body = hostile.zipped(body, encoding, damage)
        response = post(path, body, content_encoding="gzip")
    else:
        response = post(path, body, content_encoding=encoding)
    status, content = response.status_code, response.content.decode()
    assert status in (200, 400, 413), (status, content)
    assert REASON.fullmatch(content) or (status == 200 and content == "OK") or json.loads(content)["rejected"]
    return status, content


def emptied() -> None:
    """Nothing is in the log, so that nothing that comes is another's copy."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingest_event")
        cursor.execute("DELETE FROM ingest_midnight_key")


def logged() -> list[str]:
    """The payloads of the log in its order."""
    return list(Event.objects.order_by("xid", "position").values_list("payload", flat=True))


@pytest.mark.parametrize("examples", LENGTHS)
def test_an_event_is_stored_as_it_was_sent_or_refused(post: Post, examples: int) -> None:
    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(body=hostile.BODIES, encoding=ENCODINGS, damage=hostile.DAMAGE | st.just([]))
    @example(body=b'{"userId":"u","properties":' + b"[" * 1100 + b"]" * 1100 + b"}", encoding="", damage=[])
    @example(body=b'{"userId":"u","properties":' + b"9" * 5000 + b"}", encoding="gzip", damage=[])
    @example(body=b"[" * 1100 + b"9" * 20 + b"]" * 1100, encoding="", damage=[])
    @example(body=b'{"userId":"u","properties":{"a":1,"a":"\\ud800\\u0000","a\\u0000":[]}}', encoding="", damage=[])
    def holds(body: bytes, encoding: str, damage: hostile.Damage) -> None:
        emptied()
        status, _ = sent(post, "/v1/track", body, encoding, damage)
        # What passes the checksum of gzip is what was zipped, whatever was done to it.
        expected = [hostile.kept(hostile.read(body))] if status == 200 else []
        found = logged()
        assert [hostile.kept(hostile.stored(payload)) for payload in found] == expected
        assert "\x00" not in "".join(found)

    holds()


@pytest.mark.parametrize("examples", LENGTHS)
def test_a_batch_is_taken_event_by_event(post: Post, examples: int) -> None:
    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(body=hostile.BATCH_BODIES, encoding=ENCODINGS, damage=hostile.DAMAGE | st.just([]))
    @example(body=COPIES, encoding="", damage=[])
    def holds(body: bytes, encoding: str, damage: hostile.Damage) -> None:
        emptied()
        status, content = sent(post, "/v1/batch", body, encoding, damage)
        events = hostile.read(body)["batch"] if status == 200 else []
        all_taken: dict[str, Any] = {"rejected": [], "accepted": len(events)}
        told = json.loads(content) if status == 200 and content != "OK" else all_taken
        refused = {entry["index"] for entry in told["rejected"]}
        taken = [event for index, event in enumerate(events) if index not in refused]
        assert told["accepted"] == len(taken)
        found = [hostile.kept(hostile.stored(payload)) for payload in logged()]
        assert found == hostile.without_copies(taken)

    holds()


def test_what_got_200_is_forwarded_as_it_was_stored(post: Post, source: Source) -> None:
    with recording() as sink:
        destination = Destination.objects.create(
            name="hook", type="webhook", config={"webhookUrl": sink.url, "webhookMethod": "POST"}
        )
        Connection.objects.create(source=source, destination=destination)

        @settings(max_examples=60, suppress_health_check=list(HealthCheck))
        @given(body=hostile.BODIES)
        def accept(body: bytes) -> None:
            sent(post, "/v1/track", body, "", [])

        accept()
        payloads = logged()
        assert payloads
        with forwarding([destination]):
            eventually(lambda: len(sink.deliveries) >= len(payloads))

    def by_id(bodies: list[Any]) -> list[str]:
        return sorted(json.dumps(body, sort_keys=True) for body in bodies)

    assert by_id([delivered.body for delivered in sink.deliveries]) == by_id([json.loads(text) for text in payloads])


FRAMES = st.lists(
    st.tuples(st.binary(max_size=40), st.sampled_from([None, None, None, "size", "line", "negative", "huge", "ext"])),
    max_size=6,
)


def framed(parts: list[tuple[bytes, str | None]]) -> bytes:
    """Chunks, some of which are not what chunks are."""
    sizes = {"size": b"zz", "negative": b"-5", "huge": b"f" * 30, "ext": b"5;name=value"}
    lines = [
        sizes.get(fault or "", b"%x" % len(part)) + (b"\n" if fault == "line" else b"\r\n") + part + b"\r\n"
        for part, fault in parts
        if part
    ]
    return b"".join(lines) + b"0\r\n\r\n"


@pytest.mark.slow
def test_no_framing_of_a_body_harms_the_web_process(web: WebProcess) -> None:
    """What is answered 200 was framed rightly, and is the whole of it."""

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(before=st.integers(0, 30), frames=FRAMES)
    @example(before=5, frames=[])
    def holds(before: int, frames: list[tuple[bytes, str | None]]) -> None:
        body = b'{"userId":"u","event":"framed"}'
        parts = [(body[:before], None), (body[before:], None), *frames]
        with web.connect() as client:
            client.sendall(head("/v1/track", "Transfer-Encoding: chunked") + framed(parts))
            status, content = answer(client)
        assert status in (200, 400, 413), (status, content)
        assert REASON.fullmatch(content.decode()) or content == b"OK"
        if status == 200:
            assert b"".join(part for part, _ in frames).strip(b" \t\r\n") == b""

        accepted.append(status == 200)

    accepted: list[bool] = []
    holds()
    assert web.track({"userId": "u", "messageId": "after"})[0] == 200
    assert list(Event.objects.values_list("user_key", flat=True)) == ["u"] * (sum(accepted) + 1)
