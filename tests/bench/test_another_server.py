"""Another server is driven and judged: real processes of ours send and receive, the server between them is made up."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bench import peer
from bench.scenarios import driving, flow
from bench.scenarios.driving import Load
from drills.stack import free_ports
from tests.bench import other
from tests.bench.other import Event, Spoil

pytestmark = pytest.mark.process
LOAD = Load(users=4, connections=2, batch=5, rate=100)
SECONDS = 0.5
EVENTS = 50
Driven = Callable[..., Any]


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> Driven:
    """Run a short load through a server that is spoilt in this way; the run."""
    monkeypatch.setattr(driving, "QUIET_SECONDS", 1.0)
    (port,) = free_ports(1)

    def drive(spoil: Spoil = list, status: int = 200, load: Load = LOAD) -> dict[str, Any]:
        with other.running(port, spoil, status) as url, peer.running(url, "key", port, "", {}) as server:
            return flow.through(server, SECONDS, load)

    return drive


def wrong(run: dict[str, Any]) -> dict[str, int]:
    return {name: run[name] for name in ("lost", "duplicates", "out_of_order")}


def test_a_server_that_forwards_everything_in_order_has_nothing_wrong(driven: Driven) -> None:
    run = driven()

    assert (run["accepted"], run["delivered"], run["refused"]) == (EVENTS, EVENTS, 0)
    assert wrong(run) == {"lost": 0, "duplicates": 0, "out_of_order": 0}
    assert 0 < run["latency_ms"]["p50"] <= run["latency_ms"]["p99"]
    assert set(run["cpu_seconds_per_event"]) == {"load", "sink"}


def test_events_of_a_size_of_users_by_chance_are_judged_as_well(driven: Driven) -> None:
    run = driven(load=replace(LOAD, users=10, size=2000, skew=1.0, at_most=60))

    assert (run["accepted"], run["delivered"]) == (30, 30)
    assert wrong(run) == {"lost": 0, "duplicates": 0, "out_of_order": 0}


def test_a_server_that_turns_batches_around_is_seen(driven: Driven) -> None:
    # Two users of a connection take turns: of five events in a batch, three are one's and two the other's.
    run = driven(lambda batch: batch[::-1])

    assert wrong(run) == {"lost": 0, "duplicates": 0, "out_of_order": 3 * EVENTS // 5}


def test_a_server_that_sends_twice_is_seen(driven: Driven) -> None:
    assert wrong(driven(lambda batch: [*batch, batch[-1]])) == {
        "lost": 0,
        "duplicates": EVENTS // 5,
        "out_of_order": 0,
    }


def test_a_server_that_drops_events_is_seen(driven: Driven) -> None:
    def without_some(batch: list[Event]) -> list[Event]:
        return [event for event in batch if event["properties"]["number"] != 3]

    assert wrong(driven(without_some)) == {"lost": LOAD.users, "duplicates": 0, "out_of_order": 0}


def test_a_server_that_takes_no_such_requests_ends_the_measurement(driven: Driven) -> None:
    with pytest.raises(RuntimeError, match="load generator"):
        driven(status=401)


def test_only_a_plain_url_can_be_driven() -> None:
    with pytest.raises(ValueError, match="http://HOST:PORT"), peer.running("https://h", "key", 1, "", {}):
        pass
