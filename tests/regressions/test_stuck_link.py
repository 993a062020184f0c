"""A link whose broker does not answer goes on: it needs only the database."""

import threading
from typing import Any

import pytest

from destinations import doorbell
from tests.forwarding.workers import eventually, limits, run_once
from tests.forwarding.world import World


def test_a_broker_that_does_not_answer_does_not_hold_up_a_link(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Valkey that is away costs kombu six seconds a call."""
    answering = threading.Event()
    asked: list[str] = []

    def hanging(*args: Any) -> None:
        asked.append("bell")
        answering.wait(120)

    monkeypatch.setattr(doorbell, "mark", hanging)
    world.append("u", "u0")
    link = threading.Thread(target=run_once, args=(world.destination, limits(budget_seconds=5.0)))
    link.start()
    assert world.sink.wait_for(lambda sink: "u0" in sink.ids()), "the link waited for the broker"
    assert eventually(lambda: world.balance()["delivered"] == 1)
    answering.set()
    link.join()
    assert asked
