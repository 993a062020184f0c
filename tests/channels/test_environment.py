"""Channels that the environment sets up, as the original's users know it."""

import subprocess
import sys
from typing import Any

import pytest

from alerts import incidents
from alerts.channels import environment
from alerts.models import Channel, Notification
from rudderproj.env import EnvError, read
from tests.services import ROOT

KEYS = {"PG_ROUTING_KEY": "pg", "VICTOROPS_ROUTING_KEY": "vo"}


@pytest.mark.parametrize(
    ("environ", "providers"),
    [
        ({}, []),
        ({"VICTOROPS_ROUTING_KEY": "vo"}, ["victorops"]),
        ({"PG_ROUTING_KEY": "pg"}, ["pagerduty"]),
        (KEYS, ["pagerduty", "victorops"]),
        (KEYS | {"ALERT_PROVIDER": "victorops"}, ["victorops"]),
        (KEYS | {"ALERT_PROVIDER": " PagerDuty ,victorops"}, ["pagerduty", "victorops"]),
    ],
)
def test_which_providers_are_chosen(settings: Any, environ: dict[str, str], providers: list[str]) -> None:
    settings.ENV = read(environ)
    assert list(environment.chosen()) == providers


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        (
            {"ALERT_PROVIDER": "opsgenie"},
            "ALERT_PROVIDER ('opsgenie'): expected one or more of pagerduty, victorops, comma-separated",
        ),
        ({"ALERT_PROVIDER": "pagerduty"}, "ALERT_PROVIDER names pagerduty, which needs PG_ROUTING_KEY"),
        (
            {"ALERT_PROVIDER": "victorops", "PG_ROUTING_KEY": "pg"},
            "ALERT_PROVIDER names victorops, which needs VICTOROPS_ROUTING_KEY",
        ),
    ],
)
def test_what_cannot_alert_is_refused(environ: dict[str, str], problem: str) -> None:
    with pytest.raises(EnvError) as caught:
        read(environ)
    assert str(caught.value) == problem


@pytest.mark.slow
def test_a_worker_does_not_start_with_an_unknown_provider(process_env: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "rudderproj", "worker", "-Q", "alerts"],
        env=process_env | {"ALERT_PROVIDER": "opsgenie"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.strip().startswith("rudderproj: ALERT_PROVIDER ('opsgenie'): expected one or more of")


def named() -> list[tuple[str, bool, dict[str, str]]]:
    return [(row.name, row.enabled, row.config) for row in Channel.objects.order_by("name")]


def test_rows_follow_the_variables_and_are_switched_off_when_they_go(committed: None, settings: Any) -> None:
    Channel.objects.create(name="ours", provider="pagerduty", config={"routing_key": "ours"})
    settings.ENV = settings.ENV | {"PG_ROUTING_KEY": "one", "VICTOROPS_ROUTING_KEY": "vo", "VICTOROPS_API_KEY": "api"}
    environment.mirror()
    environment.mirror()
    ours = ("ours", True, {"routing_key": "ours"})
    assert named() == [
        ("PagerDuty (environment)", True, {"routing_key": "one"}),
        ("Splunk On-Call (environment)", True, {"routing_key": "vo", "api_key": "api"}),
        ours,
    ]
    settings.ENV = settings.ENV | {"PG_ROUTING_KEY": "two", "VICTOROPS_ROUTING_KEY": ""}
    environment.mirror()
    assert named() == [
        ("PagerDuty (environment)", True, {"routing_key": "two"}),
        ("Splunk On-Call (environment)", False, {"routing_key": "vo", "api_key": "api"}),
        ours,
    ]
    settings.ENV = settings.ENV | {"VICTOROPS_ROUTING_KEY": "vo"}
    environment.mirror()
    assert [enabled for _, enabled, _ in named()] == [True, True, True]


def test_a_channel_of_the_environment_hears_everything(committed: None, settings: Any) -> None:
    settings.ENV = settings.ENV | {"PG_ROUTING_KEY": "one"}
    environment.mirror()
    incidents.report(kind="retention", key="k", severity="info", summary="s", details={})
    assert Notification.objects.get().channel.name == "PagerDuty (environment)"
