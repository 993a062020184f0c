"""Apprise's channels: sent by a process of their own, into networks that are allowed, and killed when they hang."""

import asyncio
import http.server
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from alerts import incidents
from alerts.channels import apprise_channel, sending
from alerts.channels.message import RESOLVE, TRIGGER, Message, Sent
from alerts.channels.sending import Address
from alerts.models import Channel, Notification
from alerts.notifications import deliver
from tests.race import together
from tests.services import ROOT
from tests.stubs.server import Server

pytestmark = pytest.mark.slow

LOOPBACK = ["127.0.0.0/8", "::1/128"]


class Hook(Server):
    """Takes any POST; answers with `status` after `seconds`, or redirects to `location`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[Any] = []
        self.status, self.seconds, self.location = 200, 0.0, ""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        time.sleep(self.server.seconds)
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("location", self.server.location)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def said(action: str = TRIGGER) -> Message:
    return Message(
        action=action,
        key="k",
        kind="difference",
        severity="error",
        summary="web: +3 events",
        source="prod",
        opened_at=datetime.now(UTC),
        details={"what": "w"},
    )


def send(*urls: str, action: str = TRIGGER, allow: list[str] = LOOPBACK, seconds: float = 60) -> Sent:
    return asyncio.run(apprise_channel.send({"urls": urls}, said(action), allow, seconds))


def test_a_trigger_and_a_resolve_arrive_as_text(hook: Hook) -> None:
    url = f"json://127.0.0.1:{hook.server_port}/secret-path"
    assert send(url).accepted
    assert send(url, action=RESOLVE).accepted
    trigger, resolve = hook.bodies
    assert (trigger["title"], trigger["type"]) == ("prod: web: +3 events", "failure")
    assert trigger["message"] == "web: +3 events\nWhat: w"
    assert (resolve["title"], resolve["type"]) == ("Resolved: prod: web: +3 events", "success")


def test_what_one_url_took_is_not_repeated_there_for_another_that_did_not(
    hook: Hook, committed: None, settings: Any
) -> None:
    settings.ENV = settings.ENV | {"EGRESS_ALLOW": LOOPBACK}
    urls = [f"json://127.0.0.1:{hook.server_port}/", "json://127.0.0.1:1/", "nonsense://x"]
    Channel.objects.create(name="team", provider="apprise", config={"urls": urls})
    incidents.report(kind="difference", key="k", severity="error", summary="s", details={})
    assert together([deliver.send_due]) == [1]
    row = Notification.objects.get()
    assert (row.next_attempt_at, len(hook.bodies)) == (None, 1)
    assert row.sent_at is not None
    assert row.last_error.endswith("sending JSON notification to ***.")


def test_a_refusal_is_said(hook: Hook) -> None:
    hook.status = 500
    sent = send(f"json://127.0.0.1:{hook.server_port}/")
    assert not sent.accepted
    assert not sent.is_final
    assert "500" in sent.answer


def test_what_is_no_url_of_apprise_is_final() -> None:
    assert send("nonsense://x").is_final


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_private_addresses_are_refused_unless_allowed(hook: Hook, host: str) -> None:
    sent = send(f"json://{host}:{hook.server_port}/", allow=[])
    assert not sent.accepted
    assert hook.bodies == []


def test_a_redirect_leads_to_no_private_address_either(hook: Hook) -> None:
    inner = Hook()
    threading.Thread(target=inner.serve_forever, args=(0.05,), daemon=True).start()
    hook.status, hook.location = 307, f"http://127.0.0.2:{inner.server_port}/"
    sent = send(f"json://127.0.0.1:{hook.server_port}/", allow=["127.0.0.1/32"])
    inner.shutdown()
    inner.server_close()
    assert not sent.accepted
    assert len(hook.bodies) == 1
    assert inner.bodies == []


def test_one_that_hangs_is_killed(hook: Hook) -> None:
    hook.seconds = 30
    started = time.monotonic()
    sent = send(f"json://127.0.0.1:{hook.server_port}/", seconds=2)  # Apprise itself would wait for four
    assert sent.answer == "no answer in 2 s"
    assert time.monotonic() - started < 20


def test_what_it_says_holds_nothing_of_its_urls(settings: Any) -> None:
    settings.ENV = settings.ENV | {"EGRESS_ALLOW": LOOPBACK}
    address = Address(1, "slack", "apprise", {"urls": ["json://user-name:pass-word@127.0.0.1:1/secret-path"]})
    (sent,) = sending.say([(address, said())])
    assert not sent.accepted
    assert not any(word in sent.answer for word in ("user-name", "pass-word", "secret-path"))


def test_nothing_of_ours_imports_apprise_or_goes_to_its_process() -> None:
    code = (
        "import django, sys; django.setup(); import rudderproj.urls, alerts.tasks, alerts.watch.loop;"
        "print([name for name in sys.modules if name == 'apprise'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
    assert not {name for name in apprise_channel._PASSED_ON if "SECRET" in name or "DATABASE" in name}
