"""What is accepted after a switch-off is not sent, though whoever is at work had read an older configuration."""

from collections.abc import Callable
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations import control, link, reader
from destinations.forward import Forwarder
from destinations.models import Claim
from destinations.oracle.script import HANG
from ingest.statements import insert_events
from tests.forwarding.test_breaker import open_breaker, probe
from tests.forwarding.workers import LIMITS, eventually, forwarding, limits
from tests.forwarding.world import World
from tests.suspects.crashes import crash, entry, states

Act = Callable[[Connection], None]
SWITCH_OFF = "UPDATE destinations_connection SET enabled = false"
DENY = """UPDATE destinations_destination SET event_filter = '{"deny": ["Clicked"]}'"""
ALLOW = "UPDATE destinations_destination SET event_filter = '{}'"


def before(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, act: Act, call: int = 1) -> None:
    """Have something happen right before this reading of the database, counted from 1."""
    original, calls = getattr(module, name), list[int]()

    def read(raw: Connection, *args: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == call:
            act(raw)
        return original(raw, *args, **named)

    monkeypatch.setattr(module, name, read)


def execute(raw: Connection, statement: str) -> None:
    with raw.cursor() as cursor:
        cursor.execute(statement)


def examine() -> None:
    """A forwarding task, which looks into suspects first; nothing else of the destination is to be done."""
    forwarder = Forwarder(LIMITS)
    forwarder.work(10**6)
    forwarder.close()


def test_a_link_decides_by_no_older_configuration_than_the_events_it_has_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "CONTROL_SECONDS", 3600.0)
    world.sink.everyone = HANG
    world.append("busy", "b0")

    with forwarding([world.destination], chosen=limits(budget_seconds=8.0, timeout_seconds=8.0)):
        assert world.sink.wait_for(lambda sink: sink.ids() == ["b0"])  # the link waits, and looks for more meanwhile
        world.sink.everyone = None
        world.connection.enabled = False
        world.connection.save()
        world.append("other", "o0")
        assert eventually(lambda: world.balance()["filtered"] == 1 or "o0" in world.sink.ids())

    assert "o0" not in world.sink.ids()


@pytest.mark.parametrize(
    ("then", "fate"), [(SWITCH_OFF, "pending"), (DENY, "filtered")], ids=["switched off", "filtered"]
)
def test_what_a_link_has_queued_waits_for_whoever_reads_it_by_the_new_configuration(
    world: World, raw: Connection, then: str, fate: str
) -> None:
    world.change(rate_limit=20)
    world.append("u", *[f"u{number}" for number in range(100)])
    with forwarding([world.destination], chosen=limits(budget_seconds=20.0)):
        assert world.sink.wait_for(lambda sink: len(sink.ids()) >= 3)
        execute(raw, then)
        assert eventually(lambda: world.balance()["delivered"] >= 3 and not Claim.objects.exists())
        assert eventually(lambda: (found := world.balance())["delivered"] + found[fate] == 100)
    terms = world.balance()
    assert (terms[fate], terms["delivered"]) == (100 - len(world.sink.ids()), len(world.sink.ids()))
    assert terms["delivered"] < 100


@pytest.mark.parametrize(
    ("first", "then", "sent", "left"),
    [
        (ALLOW, SWITCH_OFF, [], {"pending": 2}),
        (ALLOW, DENY, [], {"filtered": 2}),
        (DENY, ALLOW, ["o0"], {"filtered": 1, "delivered": 1}),
    ],
)
def test_a_probe_decides_by_no_older_configuration_than_the_events_it_has_read(
    world: World, raw: Connection, monkeypatch: pytest.MonkeyPatch, first: str, then: str, sent: list[str], left: Any
) -> None:
    execute(raw, first)
    world.append("other", "not for it", integrations={"All": False})  # so that the lane is taken
    open_breaker(world)

    def switched_and_accepted(raw: Connection) -> None:
        execute(raw, then)
        insert_events(raw, [world.event("other", "o0")])

    before(monkeypatch, reader, "next_events", switched_and_accepted)
    probe(world)

    assert world.sink.ids() == sent
    assert {term: found for term in ("pending", "filtered", "delivered") if (found := world.balance()[term])} == left


def test_a_probe_leaves_alone_what_was_switched_off_since_it_had_read_its_events(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.append("u", "u0")
    open_breaker(world)
    before(monkeypatch, control, "read", lambda raw: execute(raw, SWITCH_OFF), call=2)

    probe(world)

    assert world.sink.ids() == []
    assert world.balance()["pending"] == 1


@pytest.mark.parametrize(("then", "fate", "state"), [(SWITCH_OFF, "pending", "open"), (DENY, "filtered", "cleared")])
def test_an_examination_decides_by_what_was_switched_since_it_began(
    world: World, monkeypatch: pytest.MonkeyPatch, then: str, fate: str, state: str
) -> None:
    world.append("a", "a0")
    crash(entry(world, "a0"))
    before(monkeypatch, reader, "next_events", lambda raw: execute(raw, then))

    examine()

    assert world.sink.ids() == []
    assert (world.balance()[fate], states()) == (1, {"a0": state})
