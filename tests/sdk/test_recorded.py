"""Requests as other SDKs were recorded sending them, byte for byte in what a server could stumble over."""

import base64
import gzip
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sink import Sink
from tests.e2e.stack import WRITE_KEY, Stack

pytestmark = pytest.mark.slow
SAMPLES = {
    path.stem: json.loads(path.read_text()) for path in sorted((Path(__file__).parent / "samples").glob("*.json"))
}
CHUNK_BYTES = 300
# The server sets these, or takes them away.
CHANGED = ("timestamp", "sentAt", "originalTimestamp", "writeKey")


def raw_request(sample: dict[str, Any]) -> bytes:
    """The request on the wire: headers as recorded, the body in the recorded encoding."""
    body = json.dumps(sample["body"]).replace("{write_key}", WRITE_KEY).encode()
    if "gzip" in sample["encoding"]:
        body = gzip.compress(body)
    headers = [("Host", "localhost"), *((name, value) for name, value in sample["headers"])]
    if "chunked" in sample["encoding"]:
        parts = [body[start : start + CHUNK_BYTES] for start in range(0, len(body), CHUNK_BYTES)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    else:
        headers.append(("Content-Length", str(len(body))))
    target = sample["target"].replace("{write_key}", WRITE_KEY)
    credentials = base64.b64encode(f"{WRITE_KEY}:".encode()).decode()
    lines = [
        f"POST {target} HTTP/1.1",
        *(f"{name}: {value.replace('{write_key}', credentials)}" for name, value in headers),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer_of(port: int, request: bytes) -> tuple[bytes, bytes]:
    """Status line and body; in one connection, closed afterwards."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        received = b""
        while not received.endswith(b"\r\n\r\nOK"):
            part = connection.recv(65536)
            assert part, received
            received += part
    head, _, body = received.partition(b"\r\n\r\n")
    return head.partition(b"\r\n")[0], body


def sent_events(sample: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a recorded request, as they must be found in what is delivered."""
    body = sample["body"]
    events = body.get("batch", [body] if "type" in body else [])
    return [
        {name: value for name, value in event.items() if name not in CHANGED and value is not None} for event in events
    ]


def test_what_other_sdks_send_is_accepted_and_delivered(stack: Stack, sink: Sink) -> None:
    answers = {name: answer_of(stack.web_port, raw_request(sample)) for name, sample in SAMPLES.items()}

    assert answers == dict.fromkeys(SAMPLES, (b"HTTP/1.1 200 OK", b"OK"))
    sent = {event["messageId"]: event for sample in SAMPLES.values() for event in sent_events(sample)}
    sink.wait(len(sent))
    assert len(sink.deliveries) == len(sent)
    delivered = {found.body["messageId"]: found.body for found in sink.deliveries}
    assert {key: {name: event[name] for name in sent[key]} for key, event in delivered.items()} == sent
    assert not any("writeKey" in event for event in delivered.values())
