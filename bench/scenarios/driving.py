"""Sending a load and waiting for what it brings, with the meters beside."""

import json
import subprocess
import sys
import time
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from bench import usage
from bench.load import Plan
from bench.server import Server
from drills.stack import ROOT

QUIET_SECONDS = 60.0  # with no delivery for so long, what is missing is lost
LOOK_SECONDS = 0.2
FOREVER_SECONDS = 86_400.0
WAL = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"
COUNT = "SELECT count(*) FROM ingest_event e JOIN ingest_source s ON s.id = e.source_id WHERE s.write_key = '{}'"


@dataclass(frozen=True)
class Load:
    """What of a load.Plan a scenario decides. `at_most` is events a second of the run's length: 0 for no such bound."""

    users: int = 2000
    connections: int = 16
    batch: int = 20
    rate: float = 0.0
    size: int = 0
    skew: float = 0.0
    at_most: float = 0.0


class Meters:
    """CPU time, and of our own database the write-ahead log, from here on."""

    def __init__(self, server: Server) -> None:
        self._wal = wal_bytes(server)
        self._server, self._before = server, self._spent(server)
        self._clock = usage.Clock([server.sink.pid, *server.pids().values()])

    def figures(self, events: int, load_seconds: float = 0.0) -> dict[str, Any]:
        """CPU seconds and WAL for each of so many events, load generator and sink beside the roles; busy CPUs."""
        clock, after = self._clock.cpus(), self._spent(self._server)
        spent = {role: seconds - self._before[role] for role, seconds in after.items()} | {"load": load_seconds}
        each = {role: round(seconds / max(events, 1), 7) for role, seconds in spent.items()}
        wal = {} if self._wal is None else {"wal_bytes_per_event": self._written(events)}
        return {"cpu_seconds_per_event": each, **wal, **clock}

    def _written(self, events: int) -> float:
        return round(((wal_bytes(self._server) or 0) - (self._wal or 0)) / max(events, 1), 1)

    @staticmethod
    def _spent(server: Server) -> dict[str, float]:
        return {**usage.cpu_seconds(server.pids()), "sink": usage.of_trees([server.sink.pid])}


def begin(server: Server) -> str:
    """Empty the sink for a new run; the run's name."""
    run = uuid.uuid4().hex[:8]
    server.sink.reset(run)
    return run


def send(server: Server, run: str, load: Load, seconds: float, *, events: int = 0, connected: bool = True) -> Any:
    """Send a load for so long, or so many events; a load.Sent as a dictionary. Raises RuntimeError."""
    shape = asdict(load)
    at_most = shape.pop("at_most")
    keys = server.write_keys if connected else [server.unconnected]
    limit = events or int(at_most * seconds)
    length = FOREVER_SECONDS if events else seconds
    plan = Plan(host=server.host, port=server.port, write_keys=keys, run=run, seconds=length, events=limit, **shape)
    command = [sys.executable, "-m", "bench.load", json.dumps(asdict(plan))]
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError("the load generator failed; see above")
    return json.loads(done.stdout)


def wait_delivered(server: Server, expected: int, without: str = "", quiet_seconds: float | None = None) -> None:
    """Until so many have arrived, or none has for long."""
    delivered, since = 0, time.monotonic()
    while delivered < expected and time.monotonic() < since + (quiet_seconds or QUIET_SECONDS):
        now = server.sink.delivered(without)
        if now > delivered:
            delivered, since = now, time.monotonic()
        time.sleep(LOOK_SECONDS)


def stored(server: Server, write_key: str) -> int | None:
    """How many events of this source the log has; None where we cannot look."""
    return int(server.stack.query(COUNT.format(write_key))[0][0]) if server.stack else None


def wal_bytes(server: Server) -> int | None:
    """How much was ever written ahead; None where we cannot look."""
    return int(server.stack.query(WAL)[0][0]) if server.stack else None


def told(seconds: float, sent: dict[str, Any]) -> dict[str, Any]:
    """What the load generator says of a run."""
    return {
        "seconds": seconds,
        "accepted": sent["accepted"],
        "refused": sent["refused"],
        "accepted_per_second": per_second(sent["accepted"], sent["ended_at"] - sent["started_at"]),
        "answer_ms": sent["answer_ms"],
    }


def judged(seen: dict[str, Any], expected: int) -> dict[str, int]:
    """What is wrong with what the sink saw."""
    return {
        "delivered": seen["delivered"],
        "lost": expected - seen["delivered"],
        "duplicates": seen["duplicates"] + seen["strays"],
        "out_of_order": seen["out_of_order"],
    }


def per_second(count: int, seconds: float) -> float:
    """A rate; 0 where there was no time."""
    return round(count / seconds, 1) if seconds > 0 else 0.0
