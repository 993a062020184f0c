"""A test event: asked for in the admin, sent for real by a forwarding worker, the answer shown without secrets."""

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from destinations import actions, tasks, trial
from destinations.models import Delivery, Destination, Health, Trial
from tests.stubs.server import Server

SECRET = "s3cret-value"


class Sink(Server):
    """Answers what it is told, and repeats the token it got."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.events: list[dict[str, Any]] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        self.server.events.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        body = f"you said {self.headers['x-token']}".encode()
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def sink() -> Iterator[Sink]:
    server = Sink()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def hook(client: Client, sink: Sink, settings: Any) -> Destination:
    settings.ENV = settings.ENV | {"EGRESS_ALLOW": ["127.0.0.0/8"]}
    url = f"http://127.0.0.1:{sink.server_port}/in"
    config = {"webhookUrl": url, "headers": [{"from": "X-Token", "to": SECRET}]}
    return Destination.objects.create(name="hook", type="webhook", config=config)


def asked(client: Client, hook: Destination) -> str:
    """The address of the page that shows the answer."""
    answer = client.post(f"/admin/destinations/destination/{hook.pk}/press/send-test/")
    assert answer.status_code == 302
    return str(answer.headers["location"])


def test_a_test_event_is_sent_once_and_its_answer_shown_masked(client: Client, hook: Destination, sink: Sink) -> None:
    page = asked(client, hook)
    waiting = client.get(page).content.decode()
    assert "Waiting for a forwarding worker" in waiting
    assert 'hx-trigger="every 1s"' in waiting
    (made,) = Trial.objects.all()
    trial.run(made.pk)
    trial.run(made.pk)
    assert [(event["event"], event["properties"]["sent_by"]) for event in sink.events] == [("Test Event", "ada")]
    shown = client.get(page, headers={"HX-Request": "true"}).content.decode()
    assert "HTTP 200" in shown
    assert "you said ***" in shown
    assert SECRET not in shown
    assert "hx-trigger" not in shown
    made.refresh_from_db()
    assert (made.outcome, made.asked_by) == ("delivered", "ada")
    assert made.duration_ms is not None


@pytest.mark.parametrize(("status", "outcome"), [(503, "retry"), (404, "aborted"), (401, "refused")])
def test_a_refusal_is_shown_and_touches_nothing_else(
    client: Client, hook: Destination, sink: Sink, status: int, outcome: str
) -> None:
    sink.status = status
    asked(client, hook)
    trial.run(Trial.objects.get().pk)
    assert Trial.objects.get().outcome == outcome
    health = Health.objects.get(destination=hook)
    assert (health.state, health.breaker, health.streak, health.last_error) == ("ok", "closed", {}, "")
    assert Delivery.objects.count() == 0


def test_a_paused_destination_can_be_tried_too(client: Client, hook: Destination, sink: Sink) -> None:
    actions.pause([hook.pk], "ada")
    asked(client, hook)
    trial.run(Trial.objects.get().pk)
    assert len(sink.events) == 1


def test_what_cannot_be_sent_is_told(client: Client, hook: Destination, settings: Any) -> None:
    settings.ENV = settings.ENV | {"EGRESS_ALLOW": []}
    page = asked(client, hook)
    trial.run(Trial.objects.get().pk)
    assert Trial.objects.get().reason in client.get(page).content.decode()
    assert "127.0.0.1" in Trial.objects.get().reason


def test_the_task_is_called_as_it_is_asked_for() -> None:
    assert tasks.send_test_event.name == trial.TASK


def test_only_the_last_few_are_kept(client: Client, hook: Destination) -> None:
    for _ in range(trial.KEPT + 3):
        made = trial.ask(hook, "ada")
    assert Trial.objects.count() == trial.KEPT
    assert Trial.objects.filter(pk=made.pk).exists()


@pytest.mark.process
def test_asking_for_a_test_event_imports_no_plugin(client: Client, hook: Destination) -> None:
    code = (
        "import django, sys; django.setup(); from django.contrib import admin; import rudderproj.urls, ingest.views;"
        "print([name for name in sys.modules if name.startswith('destinations.plugins.') and name.endswith('.plugin')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
