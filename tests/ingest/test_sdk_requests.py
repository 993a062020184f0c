"""Recorded requests of real SDKs, sent as they were."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest.models import Source

from .web import WebProcess

pytestmark = pytest.mark.slow  # each starts a process of ours

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.json"))


@pytest.mark.parametrize("path", SAMPLES, ids=[path.stem for path in SAMPLES])
def test_a_recorded_request_is_accepted_whole(
    web: WebProcess, source: Source, stored: Callable[[], list[dict[str, Any]]], path: Path
) -> None:
    sample = json.loads(path.read_text())
    body = json.dumps(sample["body"]).encode()
    if sample["headers"].get("content-encoding") == "gzip":
        body = gzip.compress(body)

    status, headers, content = web.request(sample["method"], sample["path"], body, **sample["headers"])

    assert (status, content, headers["access-control-allow-origin"]) == (200, b"OK", "*")
    sent = sample["body"].get("batch") or [sample["body"]]
    kept = stored()
    assert [event["messageId"] for event in kept] == [event["messageId"] for event in sent]
    for before, after in zip(sent, kept, strict=True):
        changed = {name for name in before if after.get(name) != before[name]}
        assert changed <= {"timestamp", "writeKey", "anonymousId"}
        assert after.get("anonymousId") == before.get("anonymousId")
        assert after["originalTimestamp"] == before.get("originalTimestamp", before.get("timestamp"))
        assert set(after) >= {"type", "receivedAt", "request_ip", "rudderId", "timestamp", "sentAt"}
