"""Events in and out at once, and events in alone."""

from bench.scenarios import driving
from bench.scenarios.driving import Load
from bench.scenarios.scenario import Run
from bench.server import Server


def through(server: Server, seconds: float, load: Load, answer_ms: float = 0.0) -> Run:
    """Send for so long and wait until everything has arrived at a sink that answers so late."""
    server.sink.answer_after(answer_ms)
    run, meters = driving.begin(server), driving.Meters(server)
    sent = driving.send(server, run, load, seconds)
    accepted = sent["accepted"]
    driving.wait_delivered(server, accepted * server.destinations)
    seen = server.sink.report()
    return {
        **driving.told(seconds, sent),
        **driving.judged(seen, accepted * server.destinations),
        # Until the last one arrived: a backlog left behind by the load counts against it.
        "delivered_per_second": driving.per_second(seen["delivered"], seen["last_at"] - sent["started_at"]),
        "latency_ms": seen["latency_ms"],
        **meters.figures(accepted, sent["cpu_seconds"]),
    }


def accepted(server: Server, seconds: float, load: Load) -> Run:
    """Send for so long to a source without destinations; lost is what was answered 200 and is not in the log."""
    run, meters = driving.begin(server), driving.Meters(server)
    before = driving.stored(server, server.unconnected)
    sent = driving.send(server, run, load, seconds, connected=False)
    figures = meters.figures(sent["accepted"], sent["cpu_seconds"])
    after = driving.stored(server, server.unconnected)
    return {
        **driving.told(seconds, sent),
        "lost": 0 if before is None or after is None else sent["accepted"] - (after - before),
        **figures,
    }
