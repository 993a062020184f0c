"""What a link that an error ended leaves behind does not wait until it runs out."""

from collections.abc import Callable
from typing import Any

import psycopg2
import pytest
from django.utils import timezone
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations import forward, health
from destinations.forward import Forwarder
from destinations.lease import LeaseLost
from tests.forwarding.test_breaker import open_breaker, probe_now
from tests.forwarding.workers import LIMITS, run_once
from tests.forwarding.world import World


def ending_with(error: Exception) -> Callable[..., Any]:
    async def probe(*_: object) -> bool:
        raise error

    return probe


@pytest.mark.parametrize("error", [LeaseLost("too late"), psycopg2.OperationalError("gone")])
def test_a_probe_that_an_error_ends_tells_nothing_and_another_may_follow(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    world.append("u", "m")
    open_breaker(world)
    monkeypatch.setattr(forward, "probe", ending_with(error))

    assert not run_once(world.destination)

    found = world.health()
    assert (found.breaker, found.probes_failed, found.last_error) == ("open", 0, "")
    assert found.probe_at is not None
    assert (found.probe_at - timezone.now()).total_seconds() < health.PROBE_SECONDS / 2


def test_what_could_not_be_told_is_told_by_the_process_before_it_ends_its_shift(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.append("u", "m")
    open_breaker(world)
    monkeypatch.setattr(forward, "probe", ending_with(psycopg2.OperationalError("gone")))
    fail_probe, refusals = health.fail_probe, iter(range(2))

    def away(*values: Any) -> bool:
        if next(refusals, None) is not None:
            raise psycopg2.OperationalError("still gone")
        return fail_probe(*values)

    monkeypatch.setattr(health, "fail_probe", away)
    forwarder = Forwarder(LIMITS)
    forwarder.work(world.destination.pk)
    forwarder.close()

    assert next(refusals, None) is None
    assert world.health().breaker == "open"


def test_who_wakes_up_late_does_not_end_the_probe_of_another(world: World, raw: Connection) -> None:
    open_breaker(world)
    late = health.start_probe(raw, world.destination.pk)
    assert late
    assert probe_now(world)  # as if its minute were over
    other = health.start_probe(raw, world.destination.pk)
    assert other

    assert not health.fail_probe(raw, late, "timeout")
    assert world.health().breaker == "half_open"
    assert health.fail_probe(raw, other, "timeout", 30.0)
    assert (world.health().breaker, world.health().probes_failed) == ("open", 1)
