"""The Django admin: every page opens, secrets stay masked, and no list counts a whole table."""

from contextlib import closing
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alerts import modes
from alerts.models import ModeChange
from destinations.models import Connection, Delivery, Destination, Health
from ingest import lookup
from ingest.models import Event, RejectedEvent, Source
from ingest.statements import NewEvent, insert_events
from rudderproj import db

SECRET = "s3cret-value"
CONFIG = {"webhookUrl": "http://h.test/in", "headers": [{"from": "X-Token", "to": SECRET}]}


@pytest.fixture
def hook(client: Client) -> Destination:
    """A destination with an event in the log, a delivery and a rejected event."""
    source = Source.objects.create(name="web", write_key="the-write-key")
    hook = Destination.objects.create(name="hook", type="webhook", config=CONFIG)
    link = Connection.objects.create(source=source, destination=hook)
    with closing(db.connect("tests", 30)) as raw:
        insert_events(raw, [NewEvent(source.pk, "m-1", 3, "user-1", '{"messageId": "m-1", "x": "<b>"}')])
        insert_events(raw, [NewEvent(source.pk, "m/2 ?&é", 4, "user-2", "{}")])
    event = Event.objects.get(message_id="m-1")
    place = {"xid": event.xid, "position": event.position, "day": event.day}
    state = Delivery.State.FAILED
    Delivery.objects.create(
        connection=link, lane=3, user_key="u", message_id="m-1", state=state, next_attempt_at=timezone.now(), **place
    )
    RejectedEvent.objects.create(source=source, received_at=timezone.now(), reason="too deep", payload="{}")
    return hook


def page(client: Client, path: str, **query: Any) -> str:
    answer = client.get(f"/admin/{path}", query)
    assert answer.status_code == 200, path
    return answer.content.decode()


def test_every_page_opens_and_no_list_counts_a_whole_table_or_shows_a_secret(client: Client, hook: Destination) -> None:
    page(client, "")
    for model, model_admin in admin.site._registry.items():
        label = f"{model._meta.app_label}/{model._meta.model_name}"
        with CaptureQueriesContext(
            connection,
        ) as queries:
            text = page(client, f"{label}/")
        if model._meta.app_label not in ("auth",):
            counts = [query["sql"] for query in queries if "COUNT(*)" in query["sql"]]
            assert all("LIMIT 1000" in sql for sql in counts), label
        assert SECRET not in text
        assert "the-write-key" not in text
        request = client.get("/admin/").wsgi_request
        if model_admin.has_add_permission(request):
            page(client, f"{label}/add/")
        if model._meta.managed and (row := model_admin.get_queryset(request).first()):
            assert SECRET not in page(client, f"{label}/{row.pk}/change/")


def test_nothing_can_be_deleted(client: Client, hook: Destination) -> None:
    for label in ("destinations/destination", "destinations/connection", "ingest/source", "destinations/delivery"):
        answer = client.post(f"/admin/{label}/{hook.pk}/delete/", {"post": "yes"})
        assert answer.status_code in (302, 403)
    assert Destination.objects.count() == Connection.objects.count() == Source.objects.count() == 1


def test_destinations_are_paused_and_resumed(client: Client, hook: Destination) -> None:
    def act(action: str) -> str:
        values = {"action": action, "_selected_action": [hook.pk]}
        assert client.post("/admin/destinations/destination/", values).status_code == 302
        return Health.objects.get(destination=hook).state

    assert act("pause") == "paused"
    assert act("resume") == "ok"
    Health.objects.update(state="held", streak={"failures": 3})
    assert act("resume") == "ok"
    assert Health.objects.get().streak == {}
    listed = page(client, "destinations/destination/")
    assert 'value="resume"' in listed
    assert "skip" not in listed, "that is asked of one at a time"


def test_events_are_found_by_message_id_and_shown_escaped(client: Client, hook: Destination) -> None:
    listed = page(client, "ingest/loggedevent/")
    assert "m-1" in listed
    assert "user-2" in listed
    assert "user-2" not in page(client, "ingest/loggedevent/", message_id="m-1")
    assert "user-2" in page(client, "ingest/loggedevent/", message_id="m/2 ?&é", source=Source.objects.get().pk)
    assert "No event found" in page(client, "ingest/loggedevent/", message_id="m-9")
    (event,) = lookup.by_message_id("m-1", None)
    shown = page(client, f"ingest/loggedevent/{event.place}/change/")
    assert "&lt;b&gt;" in shown
    for wrong in ("1-2-3", "1-2-3-x", f"1-2-3-{10**19}", "0-0-0-0"):
        assert client.get(f"/admin/ingest/loggedevent/{wrong}/change/").status_code == 404


def test_the_mode_is_changed_with_its_history(client: Client) -> None:
    path = "/admin/alerts/mode/1/press"
    assert "Stop forwarding" in page(client, "alerts/mode/1/change/")
    assert "Forward again" not in page(client, "alerts/mode/1/change/")
    assert client.get(f"{path}/degraded/").status_code == 200
    assert "This field is required" in client.post(f"{path}/degraded/", {"reason": " "}).content.decode()
    assert modes.current().forwards
    assert client.post(f"{path}/degraded/", {"reason": " incident 5 "}).status_code == 302
    change = ModeChange.objects.get()
    assert (change.to_mode, change.reason, change.actor) == ("degraded", "incident 5", "ada")
    assert modes.current().reason == "incident 5"
    client.post(f"{path}/degraded/", {"reason": "again"})
    assert ModeChange.objects.count() == 1
    shown = page(client, "alerts/mode/1/change/")
    assert "Degraded mode" in shown
    assert "by ada: incident 5" in shown
    client.post(f"{path}/normal/", {"reason": "fixed"})
    assert modes.current().forwards


def test_an_operator_takes_over_what_recovery_stopped(client: Client) -> None:
    modes.set_mode("degraded", "a loop", "recovery")
    path = "/admin/alerts/mode/1"
    assert "Keep forwarding stopped" in client.get(f"{path}/press/degraded/").content.decode()
    answer = client.post(f"{path}/press/degraded/", {"reason": "until Monday"}, follow=True).content.decode()
    assert "degraded already; now by ada" in answer
    assert (modes.current().actor, modes.current().reason) == ("ada", "until Monday")
    assert "Keep forwarding stopped" not in answer


def test_a_forced_mode_is_told_on_every_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.ENV, "RSERVER_MODE", "degraded")
    shown = page(client, "ingest/source/")
    assert "Degraded mode" in shown
    assert "forced by RSERVER_MODE; the stored mode is normal" in shown
    answer = client.post("/admin/alerts/mode/1/press/degraded/", {"reason": "x"}, follow=True)
    assert "RSERVER_MODE=degraded is set" in answer.content.decode()


def test_a_visitor_sees_no_events(committed: None) -> None:
    assert Client().get("/admin/ingest/loggedevent/").status_code == 302
    staff = Client()
    staff.force_login(get_user_model().objects.create_user("bob", password="x", is_staff=True))
    for path in ("", "1-1-1-1/change/"):
        assert staff.get(f"/admin/ingest/loggedevent/{path}").status_code == 403
