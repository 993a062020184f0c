"""Scenarios on one server: warm up, run so often, sum up; sampled once more if that is wanted.

Their runs take turns: a machine that is slower for a minute is so for all that are compared with each other.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import figures, machine, options, spy
from bench.scenarios.scenario import Scenario
from bench.server import Server


def measured(scenarios: Sequence[Scenario], server: Server, wanted: argparse.Namespace) -> list[dict[str, Any]]:
    """Warm up, run so often, profile if that is wanted; a result for each."""
    seconds, wished = (options.QUICK_SECONDS, 1) if wanted.quick else (wanted.seconds, wanted.runs)
    often = [min(wished, scenario.most_runs) for scenario in scenarios]
    runs: list[list[dict[str, Any]]] = [[] for _ in scenarios]
    loops = [0.0 for _ in scenarios]
    for turn in range(max(often)):
        for number, scenario in enumerate(scenarios):
            if turn < often[number]:
                print(f"{scenario.name}, run {turn + 1} of {often[number]} …", file=sys.stderr)
                loops[number] = max(loops[number], machine.calibration()["cpu_ms"])
                if turn == 0 and scenario.warm_up_seconds:
                    scenario.once(server, min(seconds, scenario.warm_up_seconds))
                runs[number].append(scenario.once(server, seconds))
    if wanted.profile:
        for scenario in scenarios:
            profiled(scenario, server, seconds, wanted.profile)
    now = {"measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "commit": machine.commit()}
    return [
        figures.summary(scenario, found) | now | {"calibration": {"cpu_ms": loop}}
        for scenario, found, loop in zip(scenarios, runs, loops, strict=True)
    ]


def profiled(scenario: Scenario, server: Server, seconds: float, folder: Path) -> None:
    """One run more, sampled; the busiest functions go to standard error."""
    with spy.recording(server.pids(), folder, scenario.name) as files:
        scenario.once(server, seconds)
    for file in files:
        print(f"{file}: own and total share of its samples", file=sys.stderr)
        print("\n".join(spy.busiest(file.read_text().splitlines())), file=sys.stderr)
