"""What is measured, and one run of it."""

import json
import subprocess
import sys
import time
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from bench import usage
from bench.load import Plan
from bench.stack import ROOT, WRITE_KEY, Stack

QUIET_SECONDS = 30.0  # with no delivery for so long, what is missing is lost


@dataclass(frozen=True)
class Scenario:
    """A kind of load. `promise` is what two cores are meant to do: the field of a run and its bound."""

    name: str
    users: int
    connections: int
    batch: int
    rate: float
    promise: tuple[str, float]


SCENARIOS = (
    Scenario("single events in and out", 2000, 64, 1, 0.0, ("delivered_per_second", 2000.0)),
    Scenario("batches of 20", 2000, 16, 20, 0.0, ("delivered_per_second", 4000.0)),
    Scenario("50 per second", 200, 10, 1, 50.0, ("latency_ms.p95", 50.0)),
)


def run(scenario: Scenario, stack: Stack, seconds: float) -> dict[str, Any]:
    """Load the stack for so long, wait until everything has arrived; one run as the results keep it."""
    stack.sink("/reset")
    before, others = usage.cpu_seconds(stack.pids()), usage.Others(stack.roots())
    sent = _load(scenario, stack, seconds)
    _wait_delivered(stack, sent["accepted"])
    seen = json.loads(stack.sink("/report"))
    after = usage.cpu_seconds(stack.pids())
    accepted = sent["accepted"]
    return {
        "seconds": seconds,
        "other_cpus": round(others.cpus(), 2),
        "accepted": accepted,
        "refused": sent["refused"],
        "delivered": seen["delivered"],
        "lost": accepted - seen["delivered"],
        "duplicates": seen["duplicates"],
        "out_of_order": seen["out_of_order"],
        "accepted_per_second": round(accepted / (sent["ended_at"] - sent["started_at"]), 1),
        # Until the last one arrived: a backlog left behind by the load counts against it.
        "delivered_per_second": round(seen["delivered"] / max(seen["last_at"] - sent["started_at"], 1e-9), 1),
        "answer_ms": sent["answer_ms"],
        "latency_ms": seen["latency_ms"],
        "cpu_seconds_per_event": {role: round((after[role] - before[role]) / max(accepted, 1), 7) for role in before},
    }


def _load(scenario: Scenario, stack: Stack, seconds: float) -> dict[str, Any]:
    plan = Plan(
        stack.web_port,
        WRITE_KEY,
        uuid.uuid4().hex[:8],
        scenario.users,
        scenario.connections,
        scenario.batch,
        seconds,
        scenario.rate,
    )
    command = [sys.executable, "-m", "bench.load", json.dumps(asdict(plan))]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def _wait_delivered(stack: Stack, accepted: int) -> None:
    delivered, since = 0, time.monotonic()
    while delivered < accepted and time.monotonic() < since + QUIET_SECONDS:
        now = int(json.loads(stack.sink("/count"))["delivered"])
        if now > delivered:
            delivered, since = now, time.monotonic()
        time.sleep(0.2)
