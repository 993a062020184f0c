"""Many destinations, one of which may hang: what the others notice."""

from bench.layout import FIRST
from bench.scenarios import driving
from bench.scenarios.driving import Load
from bench.scenarios.scenario import Run
from bench.server import Server

LEAD_SECONDS = 4.0  # sent before it counts: with links that have to be started for all of fifty, that would be measured
BACK_SECONDS = 400.0  # a destination that hung is tried again with pauses that grow to five minutes


def others(server: Server, seconds: float, load: Load, hangs: bool) -> Run:
    """Send for so long; latency and rate are those of all destinations but one, which hangs from then on or not.

    It answers again once the others have everything, and its own are waited for: nothing may be lost.
    """
    server.sink.answer_after(0)
    lead = driving.send(server, driving.begin(server), load, LEAD_SECONDS)
    driving.wait_delivered(server, lead["accepted"] * server.destinations)
    run, meters = driving.begin(server), driving.Meters(server)
    if hangs:
        server.sink.hang(FIRST)
    try:
        sent = driving.send(server, run, load, seconds)
        accepted, rest = sent["accepted"], server.destinations - 1
        driving.wait_delivered(server, accepted * rest, FIRST)
        of_others = server.sink.report(FIRST)
        figures = meters.figures(accepted * rest, sent["cpu_seconds"])
    finally:
        server.sink.hang("")
    driving.wait_delivered(server, accepted * server.destinations, quiet_seconds=BACK_SECONDS)
    return {
        **driving.told(seconds, sent),
        **driving.judged(server.sink.report(), accepted * server.destinations),
        "delivered_per_second": driving.per_second(of_others["delivered"], of_others["last_at"] - sent["started_at"]),
        "latency_ms": of_others["latency_ms"],
        **figures,
    }
