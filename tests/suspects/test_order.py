"""Whatever is suspected, and whenever: order per user, completeness, and no suspect is left over."""

import threading
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from destinations.forward import Forwarder
from destinations.models import Suspect
from destinations.oracle.sink import Sink
from tests.forwarding.workers import LIMITS, eventually
from tests.forwarding.world import World, make_world
from tests.suspects.crashes import crash, entry

USERS = ["a", "b", "mate63", "c"]  # the second and third share a lane
SCRIPTS: list[list[Any]] = [[], [], [], [500, 200], [400], [{"delay_seconds": 0.02}], ["reset", 200]]
_NAMES = count()


def process(world: World, stopping: threading.Event) -> None:
    """Tasks of one process, one after the other."""
    forwarder = Forwarder(LIMITS)
    while not stopping.is_set():
        forwarder.work(world.destination.pk)
        stopping.wait(0.01)
    forwarder.close()
    connection.close()


def run(world: World, events: Sequence[tuple[str, list[Any]]], crashes: Sequence[Sequence[int]]) -> None:
    """Accept events and record crashes that held some of them, while two processes work."""
    stopping = threading.Event()
    processes = [threading.Thread(target=process, args=[world, stopping]) for _ in range(2)]
    for number, (user, answers) in enumerate(events):
        world.append(user, f"{world.destination.name}-{number}", answers=answers)
        if number == len(events) // 2:
            for started in processes:
                started.start()
    for held in crashes:
        names = {f"{world.destination.name}-{number % len(events)}" for number in held}
        with transaction.atomic():  # these kill nobody: no process may see one that is to be convicted
            crash(*[entry(world, name) for name in sorted(names)])
            Suspect.objects.filter(state="open", deaths_alone__gt=1).update(deaths_alone=1)
    try:
        assert eventually(lambda: world.is_settled() and not Suspect.objects.filter(state="open").exists(), 60)
    finally:
        stopping.set()
        for started in processes:
            started.join()


@pytest.mark.parametrize("examples", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_order_holds_whatever_is_suspected(committed: None, examples: int) -> None:
    event = st.tuples(st.sampled_from(USERS), st.sampled_from(SCRIPTS))
    held = st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=6), max_size=4)

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(events=st.lists(event, min_size=4, max_size=25), crashes=held)
    def holds(events: list[tuple[str, list[Any]]], crashes: list[list[int]]) -> None:
        with Sink() as sink:
            world = make_world(sink, f"order{next(_NAMES)}")
            run(world, events, crashes)
            report = world.report()
            assert report.is_clean, report
            assert world.balance()["difference"] == 0
            refused = {a.message_id for a in sink.arrivals if a.reply.status == 400}
            assert {row.message_id for row in world.rows(state="aborted")} == refused

    holds()
