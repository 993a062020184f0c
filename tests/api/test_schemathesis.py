"""Schemathesis against a real web process: every operation and check, requests right and wrong, and sequences."""

import os
from contextlib import closing
from pathlib import Path

import pytest
from django.utils import timezone

from destinations.api import tokens
from destinations.api.models import ApiToken
from destinations.models import Attempt, Connection, Delivery, Destination
from ingest.models import Event, RejectedEvent, Source
from ingest.statements import NewEvent, insert_events
from rudderproj import db
from tests.api.conftest import CONFIG
from tests.described import assert_as_described
from tests.ingest.web import WebProcess

pytestmark = pytest.mark.slow
OPTIONS = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "10")


def seed() -> None:
    """Something for every path to find."""
    source = Source.objects.create(name="web", write_key="the-write-key")
    hook = Destination.objects.create(name="hook", type="webhook", config=CONFIG)
    link = Connection.objects.create(source=source, destination=hook)
    with closing(db.connect("tests", 30)) as raw:
        insert_events(raw, [NewEvent(source.pk, "m1", 3, "u", '{"messageId": "m1"}')])
    event = Event.objects.get()
    place = {"xid": event.xid, "position": event.position, "day": event.day, "message_id": "m1"}
    letter = Delivery(connection=link, lane=3, user_key="u", state="aborted", reason="HTTP 400", attempts=1, **place)
    letter.save()
    del place["day"]
    Attempt.objects.create(connection=link, at=timezone.now(), outcome="aborted", duration_ms=3, **place)
    RejectedEvent.objects.create(source=source, received_at=timezone.now(), reason="too deep", payload="{")


def test_no_request_finds_a_difference_between_the_api_and_its_description(process_env: dict[str, str]) -> None:
    seed()
    _, secret = tokens.create("schemathesis", ApiToken.Scope.values, "tests", None)
    web = WebProcess(process_env, API_RATE_LIMIT="1000000", LOG_LEVEL="WARNING")
    authorization = f"Authorization: Bearer {secret}"
    checks = ("--checks", "all", "--max-examples", EXAMPLES)
    assert_as_described(web, "/api/v1/openapi.json", OPTIONS, "--header", authorization, *checks)
