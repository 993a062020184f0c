"""What exactly each provider is sent."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels import pagerduty, sending, victorops
from alerts.channels.message import RESOLVE, TRIGGER, Message, Sent
from alerts.incidents import words
from tests.stubs.providers import PAGERDUTY_KEY, PagerDuty

PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"
VICTOROPS_URL = "https://alert.victorops.com/integrations/generic/20131114/alert"
LINK = "https://admin.test/admin/alerts/incident/7/change/"
DETAILS = {"what_to_do": "Mend it.", "link": "https://admin.test/x", "waiting_events": 12, "what": "It is down."}


def message(action: str = TRIGGER, **other: Any) -> Message:
    given = {
        "key": "prod:destination_failing:3",
        "kind": "destination_failing",
        "severity": "error",
        "summary": "hook does not answer",
        "source": "prod",
        "opened_at": datetime(2026, 11, 24, 12, 0, 1, 500_000, UTC),
        "link": LINK,
        "details": DETAILS,
    }
    return Message(action=action, **(given | other))  # type: ignore[arg-type]


def test_a_trigger_at_pagerduty() -> None:
    request = pagerduty.prepare({"routing_key": PAGERDUTY_KEY}, message(), PAGERDUTY_URL)
    assert (request.url, request.is_trusted) == (PAGERDUTY_URL, True)
    assert json.loads(request.body) == {
        "routing_key": PAGERDUTY_KEY,
        "event_action": "trigger",
        "dedup_key": "prod:destination_failing:3",
        "payload": {
            "summary": "prod: hook does not answer",
            "source": "prod",
            "severity": "error",
            "timestamp": "2026-11-24T12:00:01.500Z",
            "component": "rudderproj",
            "class": "destination_failing",
            "custom_details": {
                "what": "It is down.",
                "waiting_events": 12,
                "what_to_do": "Mend it.",
                "link": "https://admin.test/x",
            },
        },
        "client": "rudderproj",
        "client_url": LINK,
        "links": [{"href": LINK, "text": "Incident in the admin"}],
    }


def test_a_resolve_at_pagerduty() -> None:
    request = pagerduty.prepare({"routing_key": PAGERDUTY_KEY}, message(RESOLVE), PAGERDUTY_URL)
    assert json.loads(request.body) == {
        "routing_key": PAGERDUTY_KEY,
        "event_action": "resolve",
        "dedup_key": "prod:destination_failing:3",
    }


def test_a_trigger_at_splunk_on_call() -> None:
    request = victorops.prepare({"api_key": "a/b", "routing_key": "team x"}, message(), VICTOROPS_URL)
    assert (request.url, request.is_trusted) == (f"{VICTOROPS_URL}/a/b/team%20x", True)
    assert json.loads(request.body) == DETAILS | {
        "message_type": "CRITICAL",
        "entity_id": "prod:destination_failing:3",
        "entity_display_name": "prod: hook does not answer",
        "state_message": (
            "hook does not answer\nWhat: It is down.\nWaiting events: 12\nWhat to do: Mend it.\n"
            f"Link: https://admin.test/x\nIncident: {LINK}"
        ),
        "state_start_time": 1795521601,
        "monitoring_tool": "rudderproj",
        "host_name": "prod",
        "kind": "destination_failing",
        "severity": "error",
        "alert_url": LINK,
        "vo_annotate.u.Incident in the admin": LINK,
    }


@pytest.mark.parametrize(
    ("action", "severity", "kind"),
    [
        (TRIGGER, "critical", "CRITICAL"),
        (TRIGGER, "warning", "WARNING"),
        (TRIGGER, "info", "INFO"),
        (RESOLVE, "critical", "RECOVERY"),
    ],
)
def test_the_kinds_of_message_at_splunk_on_call(action: str, severity: str, kind: str) -> None:
    request = victorops.prepare({"routing_key": "team"}, message(action, severity=severity), VICTOROPS_URL)
    assert request.url == f"{VICTOROPS_URL}/team"
    body = json.loads(request.body)
    assert (body["message_type"], body["entity_id"]) == (kind, "prod:destination_failing:3")


def test_an_address_typed_in_the_admin_is_not_trusted() -> None:
    config = {"routing_key": "team", "url": "http://10.0.0.1/alert/"}
    request = victorops.prepare(config, message(), VICTOROPS_URL)
    assert (request.url, request.is_trusted) == ("http://10.0.0.1/alert/team", False)


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.lists(st.text())), st.text())
def test_whatever_an_incident_says_pagerduty_takes_it(summary: str, details: dict[str, Any], source: str) -> None:
    said = message(summary=words.one_line(summary), details=words.details(details), source=source or "s")
    body = pagerduty.prepare({"routing_key": PAGERDUTY_KEY}, said, PAGERDUTY_URL).body
    judged = PagerDuty.judge(PagerDuty.__new__(PagerDuty), "/v2/enqueue", json.loads(body))
    assert judged[0] == 202, judged


def test_the_largest_details_there_are_fit() -> None:
    details = words.details({f"name {n}": "\x00é" * 5_000 for n in range(500)})
    body = pagerduty.prepare({"routing_key": PAGERDUTY_KEY}, message(details=details), PAGERDUTY_URL).body
    assert len(body) < 512 * 1024


def test_tries_are_further_and_further_apart_and_spread() -> None:
    refused = Sent(False, "HTTP 503")
    assert [sending.delay_seconds(n, refused, 1.0) for n in (1, 2, 3, 8, 9, 99)] == [2, 4, 8, 256, 300, 300]
    assert [sending.delay_seconds(n, refused, 0.0) for n in (1, 2, 3, 99)] == [1, 2, 4, 150]
    assert sending.delay_seconds(1, refused._replace(retry_after=60.0), 1.0) == 60
    assert sending.delay_seconds(1, refused._replace(retry_after=1e9), 1.0) == 3600
    assert sending.delay_seconds(1, refused._replace(is_final=True), 1.0) == 900
