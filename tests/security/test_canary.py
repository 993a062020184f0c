"""Secrets are planted, destinations fail in every way while they give back what they were sent, and every table, log
line and page is searched for what was planted."""

import base64
import json
from collections.abc import Iterator
from io import StringIO

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.db.models import Sum
from django.test import Client

from destinations import trial
from destinations.api import tokens
from destinations.apply import run
from destinations.models import Attempt, Connection, Delivery, Destination, Health, Lane, Trial
from ingest import log
from ingest.hashing import lane_of
from ingest.models import Source
from ingest.statements import NewEvent
from tests.forwarding.workers import eventually, forwarding, limits
from tests.security.echo import echo

USER, PASSWORD, TOKEN, QUERY, PATH = (
    "canary-user",
    "canary-pass-1",
    "canary-token-2",
    "canary-query-3",
    "canary-path-456",
)
SIGNING = base64.b64encode(b"canary-signing-key-7").decode()
BASIC = base64.b64encode(b"canary-basic:canary-basic-8").decode()
PLANTED = (PASSWORD, TOKEN, QUERY, PATH, SIGNING, BASIC, "canary-basic-8", "canary-signing-key-7")

SUCCEED = ["200", "204"]
FAIL = ["400", "401", "403", "404", "410", "429", "500", "hangs", "garbage", "cut", "redirects"]
API = (
    "status",
    "sources",
    "destinations",
    "connections",
    "events",
    "deliveries",
    "dead-letters",
    "rejected-events",
    "crashes",
)
COMMANDS = (
    ("status", "--json"),
    ("status",),
    ("trace", "--user", "ada"),
    ("trace", "400-0"),
    ("destination", "list"),
    ("rotate-secrets", "--check"),
    ("crashreport",),
)
UNREACHED = ["refused", "unresolved", "forbidden"]
WAYS = [*SUCCEED, *FAIL, *UNREACHED]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with echo() as found:
        yield found


def configured(way: str, port: int) -> dict[str, object]:
    host = {"refused": "127.0.0.1:9", "unresolved": "no.such.host.invalid", "forbidden": "10.255.255.1"}.get(way)
    at = host or f"127.0.0.1:{port}"
    return {
        "webhookUrl": f"http://{USER}:{PASSWORD}@{at}/{way}/{PATH}xxxxxxxxx?api_key={QUERY}",
        "headers": [
            {"from": "X-Token", "to": f"Bearer {TOKEN}"},
            {"from": "X-Login", "to": f"Basic {BASIC}"},
        ],
        "signing_secret": f"whsec_{SIGNING}",
    }


def make(way: str, port: int) -> Destination:
    """A destination that fails this way, owed events of three users."""
    source = Source.objects.create(name=f"source {way}", write_key=f"key {way}")
    destination = Destination.objects.create(
        name=way,
        type="webhook",
        config=configured(way, port),
        retry={"attempts": 1, "window_seconds": 0.01, "base_seconds": 0.01, "max_seconds": 0.01},
    )
    Connection.objects.create(source=source, destination=destination)
    for number, user in enumerate(("ada", "bob", "eve", "ada")):
        event = {"type": "track", "anonymousId": user, "properties": {"a": 1}}
        log.append([NewEvent(source.pk, f"{way}-{number}", lane_of(user), user, json.dumps(event))])
    return destination


def has_been_tried(destination: Destination) -> bool:
    """Whether it failed, if it does, and nothing more is to be seen."""
    if destination.name in SUCCEED:
        lanes = Lane.objects.filter(connection__destination=destination)
        return bool(lanes.aggregate(n=Sum("delivered"))["n"] == 4)
    return Attempt.objects.filter(connection__destination=destination).count() >= 3 and bool(
        Health.objects.get(destination=destination).last_error
    )


def forms() -> list[str]:
    """Everything that must not be found: as planted, and the base64 in which it stands in whatever it stands."""
    found = list(PLANTED)
    for secret in PLANTED:
        for offset in range(3):
            encoded = base64.b64encode(b"\0" * offset + secret.encode()).decode().rstrip("=")
            found.append(encoded[(0, 2, 3)[offset] : (offset + len(secret)) * 8 // 6])
    return found


def leaks(text: str) -> list[str]:
    return [form for form in forms() if form in text]


def every_table() -> dict[str, str]:
    """{table: all its rows as text}."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT c.relname FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
        names = [row[0] for row in cursor.fetchall()]
        found = {}
        for name in names:
            cursor.execute(f'SELECT string_agg(t::text, chr(10)) FROM "{name}" t')
            found[name] = cursor.fetchone()[0] or ""
        return found


def every_page() -> Iterator[tuple[str, str]]:
    """(path, text) of the API's lists, each list and form of the admin, and the inbox."""
    _, token = tokens.create("canary", ["read", "events:read"], "ada", None)
    api = {"authorization": f"Bearer {token}"}
    for path in API:
        answer = Client().get(f"/api/v1/{path}", headers=api)
        assert answer.status_code == 200, (path, answer.content)
        yield path, answer.content.decode()
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("ada", password="x"))
    paths = ["/admin/", "/inbox/", "/inbox.json"]
    for model in admin.site._registry:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        paths.append(base)
        if model._meta.managed:
            paths += [f"{base}{pk}/change/" for pk in model._default_manager.values_list("pk", flat=True)[:50]]
    for path in paths:
        answer = client.get(path)
        assert answer.status_code in (200, 302), path
        assert "/login/" not in answer.headers.get("Location", "")
        yield path, answer.content.decode()


@pytest.mark.slow
def test_no_way_to_fail_shows_a_secret_anywhere(committed: None, port: int, capfd: pytest.CaptureFixture[str]) -> None:
    destinations = [make(way, port) for way in WAYS]
    with forwarding(destinations, 6, limits(timeout_seconds=0.5, budget_seconds=0.2)):
        assert eventually(lambda: all(map(has_been_tried, destinations)), 120)
    for destination in destinations:
        trial.run(Trial.objects.create(destination=destination, asked_by="ada").pk)
    assert Trial.objects.exclude(finished_at=None).count() == len(WAYS)
    assert Delivery.objects.filter(state="aborted").count() >= 4
    assert Health.objects.filter(state="held").count() == 3

    logged = capfd.readouterr()
    assert logged.err.count("delivery.attempted") >= 4 * len(WAYS) - 12
    assert leaks(logged.err + logged.out) == []
    assert {name: found for name, text in every_table().items() if (found := leaks(text))} == {}
    assert {path: found for path, text in every_page() if (found := leaks(text))} == {}
    for command in COMMANDS:
        said = StringIO()
        call_command(*command, stdout=said)
        assert said.getvalue()
        assert leaks(said.getvalue()) == [], command
    assert leaks(changed_by_file()) == []


def changed_by_file() -> str:
    """What `apply` says when every secret of a destination differs from the file's."""
    config = {"webhookUrl": "http://other:other-pass-1@h.test/", "headers": [{"from": "X-Token", "to": "other"}]}
    file = {"destinations": [{"name": FAIL[0], "type": "webhook", "config": config}]}
    applied = run.apply(run.read(json.dumps(file), {}), dry_run=True)
    assert len(applied.lines) >= 3
    return "\n".join(applied.lines)


def test_the_search_finds_what_is_planted() -> None:
    for secret in PLANTED:
        assert leaks(secret) != []
        assert leaks(base64.b64encode(f"xy{secret}z".encode()).decode()) != []
