"""A backlog of any size: how fast it goes, and what a claim takes before it does."""

import json
import subprocess
import sys
import time
from statistics import median

from bench.layout import FIRST
from bench.scenarios import driving, flow
from bench.scenarios.drain import STORING, stopped
from bench.scenarios.driving import Load
from bench.scenarios.scenario import Run
from bench.server import Server
from drills.stack import ROOT, eventually

WARM_UP_SECONDS = 3.0
CLAIMS = 20


def pending(server: Server, seconds: float, events: int, waits: bool) -> Run:
    """Store so many, measure claims, then forwarding until all have arrived, or for so long unless one `waits`.

    Of those that nobody waited for, lost is what is missing before one that came. The stack is used up by them.
    """
    flow.through(server, WARM_UP_SECONDS, Load())
    run = driving.begin(server)
    with stopped(server):
        accepted = driving.send(server, run, STORING, seconds, events=events)["accepted"]
        claims, meters = _claims(server), driving.Meters(server)
    eventually(server.sink.delivered, "the first delivery of a backlog")
    if waits:
        driving.wait_delivered(server, accepted)
    else:
        time.sleep(seconds)
    seen = server.sink.report()
    figures = meters.figures(seen["delivered"])
    return {
        "seconds": seconds,
        "accepted": accepted,
        **driving.judged(seen, accepted if waits else seen["delivered"] + seen["missing"]),
        "delivered_per_second": driving.per_second(seen["delivered"], seen["last_at"] - seen["first_at"]),
        "claim_ms": {"median": median(claims), "max": max(claims)},
        **figures,
    }


def _claims(server: Server) -> list[float]:
    command = [sys.executable, "-m", "bench.claims", FIRST, str(CLAIMS)]
    environ = server.own.environ | server.own.known
    done = subprocess.run(command, cwd=ROOT, env=environ, check=True, stdout=subprocess.PIPE, text=True)
    return [float(value) for value in json.loads(done.stdout)]
