"""A backlog, stored while forwarding is stopped: how fast it goes once forwarding may."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.layout import IN_FORCE_SECONDS
from bench.scenarios import driving
from bench.scenarios.driving import Load
from bench.scenarios.scenario import Run
from bench.server import Server

STORING = Load(batch=100)


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """Degraded mode, until the end of the block."""
    server.own.manage("mode", "degraded", "--reason", "bench")
    time.sleep(IN_FORCE_SECONDS)
    try:
        yield
    finally:
        server.own.manage("mode", "normal", "--reason", "bench")


def drain(server: Server, seconds: float, events_per_second: float, answer_ms: float = 0.0) -> Run:
    """Store so many events for each second of the run, then forward them; CPU is for each delivery.

    The rate is from the first arrival to the last: how soon the first comes is not what is asked here.
    """
    server.sink.answer_after(answer_ms)
    run, events = driving.begin(server), max(1, round(events_per_second * seconds / server.destinations / 100)) * 100
    with stopped(server):
        accepted = driving.send(server, run, STORING, seconds, events=events)["accepted"]
        early, meters = server.sink.delivered(), driving.Meters(server)
    expected = accepted * server.destinations
    driving.wait_delivered(server, expected)
    seen = server.sink.report()
    return {
        "seconds": seconds,
        "accepted": accepted,
        "delivered_before": early,  # 0, or forwarding was not stopped
        **driving.judged(seen, expected),
        "delivered_per_second": driving.per_second(seen["delivered"], seen["last_at"] - seen["first_at"]),
        **meters.figures(seen["delivered"]),
    }
