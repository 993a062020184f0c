"""The form of a destination: fields from the type's schema, secrets write-only, wrong values refused at their field."""

import re
from typing import Any

import pytest
from django.test import Client

from destinations.models import Connection, Destination
from ingest.models import Source

SECRET, SIGNING = "s3cret-value", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
CONFIG = {
    "webhookUrl": "http://h.test/in",
    "webhookMethod": "PUT",
    "headers": [{"from": "X-Token", "to": SECRET}, {"from": "X-Other", "to": "another-secret"}],
    "signing_secret": SIGNING,
}
LIST = "/admin/destinations/destination/"
ERROR = re.compile(r'class="errorlist"')


@pytest.fixture
def hook(client: Client) -> Destination:
    return Destination.objects.create(name="hook", type="webhook", config=CONFIG)


def values(**changed: Any) -> dict[str, Any]:
    """What a browser sends for CONFIG when nothing was touched."""
    sent: dict[str, Any] = {
        "name": "hook",
        "enabled": "on",
        "config-webhookUrl": "http://h.test/in",
        "config-webhookMethod": "PUT",
        "config-headers-origin": ["0", "1"],
        "config-headers-from": ["X-Token", "X-Other"],
        "config-headers-to": ["", ""],
        "config-batch_events": "",
        "config-timeout_seconds": "",
        "config-signing_secret": "",
        "filter_mode": "",
        "filter_names": "",
        "connection_set-TOTAL_FORMS": 0,
        "connection_set-INITIAL_FORMS": 0,
    }
    renamed = {
        name.replace("config_", "config-", 1).replace("retry_", "retry-", 1): value for name, value in changed.items()
    }
    return sent | renamed


def saved(client: Client, hook: Destination, **changed: Any) -> Destination:
    answer = client.post(f"{LIST}{hook.pk}/change/", values(**changed))
    assert answer.status_code == 302, re.findall(r"errorlist.*?</ul>", answer.content.decode(), re.DOTALL)
    return Destination.objects.get(pk=hook.pk)


def refused(client: Client, hook: Destination, **changed: Any) -> str:
    answer = client.post(f"{LIST}{hook.pk}/change/", values(**changed))
    assert answer.status_code == 200
    assert Destination.objects.get(pk=hook.pk).config == CONFIG
    return answer.content.decode()


def test_no_secret_reaches_the_browser(client: Client, hook: Destination) -> None:
    page = client.get(f"{LIST}{hook.pk}/change/").content.decode()
    for secret in (SECRET, "another-secret", SIGNING):
        assert secret not in page
    assert page.count("stored; empty keeps it") == 3
    assert "X-Token" in page
    assert SECRET not in refused(client, hook, config_webhookUrl="ftp://x")


def test_saving_what_was_not_touched_changes_nothing(client: Client, hook: Destination) -> None:
    after = saved(client, hook)
    assert (after.config, after.retry, after.event_filter, after.rate_limit) == (CONFIG, {}, {}, None)


def test_a_secret_is_replaced_when_one_is_given_and_removed_on_request(client: Client, hook: Destination) -> None:
    after = saved(client, hook, **{"config-headers-to": ["new-secret", ""]})
    assert after.config["headers"] == [
        {"from": "X-Token", "to": "new-secret"},
        {"from": "X-Other", "to": "another-secret"},
    ]
    assert "signing_secret" not in saved(client, hook, **{"config-signing_secret-forget": "on"}).config


def test_a_row_that_is_taken_away_leaves_the_others_their_secrets(client: Client, hook: Destination) -> None:
    after = saved(
        client,
        hook,
        **{
            "config-headers-origin": ["1", ""],
            "config-headers-from": ["X-Other", "X-New"],
            "config-headers-to": ["", "fresh"],
        },
    )
    assert after.config["headers"] == [{"from": "X-Other", "to": "another-secret"}, {"from": "X-New", "to": "fresh"}]


def test_rates_retry_and_filter_are_fields_of_their_own(client: Client, hook: Destination) -> None:
    chosen = {"rate_limit": "100", "max_concurrency": "4", "retry-window_seconds": "2h", "retry-attempts": "5"}
    chosen |= {"retry-base_seconds": "500ms", "filter_mode": "allow", "filter_names": "Paid\n\n Signed Up \n"}
    page = refused(client, hook, **chosen)
    assert "retry.base_seconds: expected seconds above 0" in page
    after = saved(client, hook, **chosen | {"retry-base_seconds": "2"})
    assert (after.rate_limit, after.max_concurrency) == (100, 4)
    assert after.retry == {"window_seconds": 7200.0, "attempts": 5, "base_seconds": 2.0}
    assert after.event_filter == {"allow": ["Paid", "Signed Up"]}
    page = client.get(f"{LIST}{hook.pk}/change/").content.decode()
    assert 'value="2h"' in page
    assert "Paid\nSigned Up" in page


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"config-webhookUrl": ""}, "This field is required"),
        ({"config-webhookUrl": "ftp://x"}, "webhookUrl: expected a URL"),
        ({"config-webhookUrl": "http://***@h.test/"}, "enter it again"),
        ({"config-webhookMethod": "HEAD"}, "HEAD is not one of the available choices"),
        ({"config-batch_events": "2.5"}, "Enter a whole number"),
        ({"config-batch_events": "101"}, "less than or equal to 100"),
        ({"config-timeout_seconds": "61"}, "timeout_seconds: expected 0.1 to 60"),
        ({"config-timeout_seconds": "soon"}, "Enter a number"),
        ({"config-signing_secret": "whsec_short"}, "signing_secret: "),
        ({"config-headers-from": ["Host", "X-Other"]}, "not a header name that can be set"),
        ({"retry-attempts": "0"}, "retry.attempts: expected a whole number above 0"),
        ({"retry-base_seconds": "5m", "retry-max_seconds": "1m"}, "base_seconds is above max_seconds"),
        ({"name": ""}, "This field is required"),
        ({"rate_limit": "0"}, "greater than or equal to 1"),
    ],
)
def test_a_wrong_value_is_refused_at_its_field(
    client: Client, hook: Destination, changed: dict[str, Any], message: str
) -> None:
    assert message in refused(client, hook, **changed)


def test_a_new_destination_is_of_the_type_that_was_chosen_and_connected(client: Client) -> None:
    assert "?type=inbox" in client.get(f"{LIST}add/").content.decode()
    source = Source.objects.create(name="web", write_key="k")
    sent = values(name="mine") | {
        "config-headers-origin": "",
        "config-headers-from": "X-Token",
        "config-headers-to": SECRET,
        "config-webhookMethod": "POST",
        "connection_set-TOTAL_FORMS": 1,
        "connection_set-0-source": source.pk,
        "connection_set-0-enabled": "on",
    }
    assert client.post(f"{LIST}add/?type=webhook", sent).status_code == 302
    made = Destination.objects.get()
    assert (made.name, made.type) == ("mine", "webhook")
    assert made.config == {
        "webhookUrl": "http://h.test/in",
        "webhookMethod": "POST",
        "headers": [{"from": "X-Token", "to": SECRET}],
    }
    assert Connection.objects.get().source == source


def test_a_type_that_is_unknown_is_asked_for_again(client: Client) -> None:
    page = client.get(f"{LIST}add/", {"type": "smtp"}).content.decode()
    assert "Where should events go?" in page
