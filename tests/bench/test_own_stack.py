"""One short look at each kind of measurement, on a stack that the instrument starts itself."""

import pytest

from bench import layout
from bench.layout import Layout
from bench.scenarios import drain, flow, hung, idle
from bench.scenarios.driving import Load
from bench.scenarios.scenario import Run

pytestmark = pytest.mark.slow
LOAD = Load(users=20, connections=4, batch=5, rate=200)
SECONDS = 0.5
EVENTS = 100


def wrong(run: Run) -> dict[str, int]:
    return {name: run[name] for name in ("lost", "duplicates", "out_of_order")}


def test_a_stack_is_measured_with_nothing_lost_repeated_or_out_of_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "SETTLE_SECONDS", 0.0)
    with layout.running(Layout(destinations=2)) as server:
        through = flow.through(server, SECONDS, LOAD)
        accepted = flow.accepted(server, SECONDS, LOAD)
        backlog = drain.drain(server, SECONDS, events_per_second=800.0)
        beside = hung.others(server, SECONDS, LOAD, hangs=False)
        nothing = idle.idle(server, 0.1)

    assert (through["accepted"], accepted["accepted"], backlog["accepted"], beside["accepted"]) == (
        (EVENTS, EVENTS, 2 * EVENTS, EVENTS)
    )
    assert (through["delivered"], backlog["delivered"], beside["delivered"]) == (2 * EVENTS, 4 * EVENTS, 2 * EVENTS)
    assert [wrong(run) for run in (through, backlog, beside)] == [dict.fromkeys(wrong(through), 0)] * 3
    assert (accepted["lost"], backlog["delivered_before"]) == (0, 0)
    assert set(through["cpu_seconds_per_event"]) == {"web", "forward", "postgres", "valkey", "rest", "load", "sink"}
    assert all(size > 0 for size in nothing["memory_mib_by_role"].values())
    assert through["wal_bytes_per_event"] > 500  # an event itself
