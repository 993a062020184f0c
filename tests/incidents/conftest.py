"""A database with its single rows, and stand-ins for the providers."""

from collections.abc import Iterator
from typing import Any

import pytest

from alerts.models import Channel
from alerts.notifications import bell
from tests.stubs import providers
from tests.stubs.providers import PAGERDUTY_KEY, VICTOROPS_API_KEY, VICTOROPS_KEY, PagerDuty, VictorOps


@pytest.fixture(autouse=True)
def silent_bell() -> Iterator[None]:
    """Nobody is rung: tests send when they say so."""
    bell.answer_with(lambda: None)
    yield
    bell._answer.clear()


@pytest.fixture
def pagerduty(settings: Any) -> Iterator[PagerDuty]:
    with providers.pagerduty() as provider:
        settings.ENV = settings.ENV | {"PAGERDUTY_EVENTS_URL": provider.environ["PAGERDUTY_EVENTS_URL"]}
        yield provider


@pytest.fixture
def victorops(settings: Any) -> Iterator[VictorOps]:
    with providers.victorops() as provider:
        settings.ENV = settings.ENV | {"VICTOROPS_URL": provider.environ["VICTOROPS_URL"]}
        yield provider


@pytest.fixture
def pager(committed: None, pagerduty: PagerDuty) -> Channel:
    """A channel at PagerDuty that hears everything."""
    return Channel.objects.create(name="pager", provider="pagerduty", config={"routing_key": PAGERDUTY_KEY})


@pytest.fixture
def oncall(committed: None, victorops: VictorOps) -> Channel:
    """A channel at Splunk On-Call that hears everything."""
    config = {"api_key": VICTOROPS_API_KEY, "routing_key": VICTOROPS_KEY}
    return Channel.objects.create(name="oncall", provider="victorops", config=config)
