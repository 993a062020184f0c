"""Channels and incidents in the admin: set up by provider, tried for real, and no secret ever shown."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from alerts import incidents
from alerts.channels import environment
from alerts.models import Channel, Incident, Notification
from alerts.notifications import bell, deliver
from tests.stubs import providers
from tests.stubs.providers import PAGERDUTY_KEY, PagerDuty

ADD = "/admin/alerts/channel/add/"
FORM = {"name": "pager", "enabled": "on", "config-routing_key": PAGERDUTY_KEY}


@pytest.fixture
def pagerduty(settings: Any) -> Iterator[PagerDuty]:
    bell.answer_with(lambda: None)
    with providers.pagerduty() as provider:
        settings.ENV = settings.ENV | {"PAGERDUTY_EVENTS_URL": provider.environ["PAGERDUTY_EVENTS_URL"]}
        yield provider
    bell._answer.clear()


def added(client: Client, provider: str = "pagerduty", **values: Any) -> str:
    """Fill in the form; the answer's text, empty when it was saved."""
    answer = client.post(f"{ADD}?provider={provider}", FORM | values)
    return "" if answer.status_code == 302 else answer.content.decode()


def change_page(client: Client, row: Channel) -> str:
    return client.get(f"/admin/alerts/channel/{row.pk}/change/").content.decode()


def test_first_the_provider_then_its_form(client: Client) -> None:
    page = client.get(ADD).content.decode()
    assert [f"?provider={name}" in page for name in Channel.Provider.values] == [True] * 3
    assert "Integration key" in client.get(f"{ADD}?provider=pagerduty").content.decode()
    assert "Apprise URLs" in client.get(f"{ADD}?provider=apprise").content.decode()


def test_a_channel_is_added_with_what_it_wants_and_its_secret_is_never_shown(client: Client) -> None:
    assert added(client, severities=["critical", "error"], kinds=["degraded_mode"]) == ""
    row = Channel.objects.get()
    assert (row.provider, row.config) == ("pagerduty", {"routing_key": PAGERDUTY_KEY})
    assert (row.severities, row.kinds, row.enabled) == (["critical", "error"], ["degraded_mode"], True)
    page = change_page(client, row)
    assert PAGERDUTY_KEY not in page
    assert "stored; empty keeps it" in page


def test_an_empty_secret_keeps_what_is_stored_and_a_new_one_replaces_it(client: Client) -> None:
    added(client)
    row = Channel.objects.get()
    change = f"/admin/alerts/channel/{row.pk}/change/"
    assert client.post(change, FORM | {"name": "renamed", "config-routing_key": ""}).status_code == 302
    row.refresh_from_db()
    assert (row.name, row.config) == ("renamed", {"routing_key": PAGERDUTY_KEY})
    client.post(change, FORM | {"config-routing_key": "other"})
    row.refresh_from_db()
    assert row.config == {"routing_key": "other"}


def test_a_channel_without_its_key_is_refused(client: Client) -> None:
    assert "required" in added(client, **{"config-routing_key": ""})
    assert not Channel.objects.exists()


def test_apprise_takes_urls_one_on_each_line(client: Client) -> None:
    assert "line 2: expected a URL" in added(client, "apprise", **{"config-urls": "slack://a/b/c\nnonsense"})
    assert added(client, "apprise", **{"config-urls": "slack://a/b/c\n mailto://u:p@h.test \n"}) == ""
    row = Channel.objects.get()
    assert row.config == {"urls": ["slack://a/b/c", "mailto://u:p@h.test"]}
    assert "u:p@h.test" not in change_page(client, row)


def test_a_test_is_sent_for_real_resolved_at_once_and_its_answer_shown(client: Client, pagerduty: PagerDuty) -> None:
    added(client)
    row = Channel.objects.get()
    page = client.post(f"/admin/alerts/channel/{row.pk}/press/send-test/").content.decode()
    assert page.count("accepted: HTTP 202") == 2
    trigger, resolve = pagerduty.accepted
    assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
    assert trigger["dedup_key"] == resolve["dedup_key"]
    assert trigger["payload"]["summary"] == "rudderproj: Test: nothing is wrong"
    assert trigger["payload"]["custom_details"]["by"] == "ada"
    assert not Incident.objects.exists()


def test_a_test_that_is_refused_says_why(client: Client, pagerduty: PagerDuty) -> None:
    added(client, **{"config-routing_key": "a-key-that-is-wrong"})
    row = Channel.objects.get()
    page = client.post(f"/admin/alerts/channel/{row.pk}/press/send-test/").content.decode()
    assert "not accepted" in page
    assert "HTTP 400" in page
    assert "a-key-that-is-wrong" not in page


def test_what_was_not_accepted_is_tried_again_once_the_channel_is_mended(client: Client, pagerduty: PagerDuty) -> None:
    added(client, **{"config-routing_key": "a-key-that-is-wrong"})
    incidents.report(kind="difference", key="k", severity="error", summary="s", details={})
    deliver.send_due()
    assert deliver.send_due() == 0
    row = Channel.objects.get()
    client.post(f"/admin/alerts/channel/{row.pk}/change/", FORM)
    assert deliver.send_due() == 1
    assert len(pagerduty.triggers("difference")) == 1


def test_what_the_environment_sets_up_is_shown_and_can_be_tried_but_not_changed(
    client: Client, settings: Any, pagerduty: PagerDuty
) -> None:
    settings.ENV = settings.ENV | {"ALERT_PROVIDER": ["pagerduty"], "PG_ROUTING_KEY": PAGERDUTY_KEY}
    environment.mirror()
    row = Channel.objects.get()
    page = change_page(client, row)
    assert "Set up by the environment" in page
    assert PAGERDUTY_KEY not in page
    assert client.post(f"/admin/alerts/channel/{row.pk}/change/", FORM).status_code == 403
    assert client.post(f"/admin/alerts/channel/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(f"/admin/alerts/channel/{row.pk}/press/send-test/")
    assert len(pagerduty.accepted) == 2


def test_a_channel_can_be_deleted_with_its_notifications(client: Client, pagerduty: PagerDuty) -> None:
    added(client)
    incidents.report(kind="difference", key="k", severity="error", summary="s", details={})
    row = Channel.objects.get()
    assert client.post(f"/admin/alerts/channel/{row.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Notification.objects.exists()
    assert Incident.objects.count() == 1


def test_open_incidents_stand_on_every_page_and_first_in_their_list(client: Client, pagerduty: PagerDuty) -> None:
    added(client)
    pagerduty.fail(503)
    incidents.report(
        kind="difference", key="k", severity="error", summary="web: +3 events", details={"link": "http://h.test/x"}
    )
    deliver.send_due()
    row = Incident.objects.get()
    assert "web: +3 events" in client.get("/admin/").content.decode()
    assert "Open now" in client.get("/admin/alerts/incident/").content.decode()
    page = client.get(f"/admin/alerts/incident/{row.pk}/change/").content.decode()
    assert "not accepted" in page
    assert "HTTP 503" in page
    assert '<a href="http://h.test/x"' in page
    incidents.resolve("k")
    assert "web: +3 events" not in client.get("/admin/").content.decode()
    assert "Open now" not in client.get("/admin/alerts/incident/").content.decode()
