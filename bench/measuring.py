"""One scenario on one server: warm up, run so often, sum up; sampled once more if that is wanted."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import figures, machine, options, spy
from bench.scenarios.scenario import Scenario
from bench.server import Server


def measured(scenario: Scenario, server: Server, wanted: argparse.Namespace) -> dict[str, Any]:
    """Warm up, run so often, profile if that is wanted."""
    print(f"{scenario.name} …", file=sys.stderr)
    seconds, runs = (
        (options.QUICK_SECONDS, 1) if wanted.quick else (wanted.seconds, min(wanted.runs, scenario.most_runs))
    )
    calibration = machine.calibration()
    if scenario.warm_up_seconds:
        scenario.once(server, min(seconds, scenario.warm_up_seconds))
    result = figures.summary(scenario, [scenario.once(server, seconds) for _ in range(runs)])
    if wanted.profile:
        profiled(scenario, server, seconds, wanted.profile)
    return result | {"measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "calibration": calibration}


def profiled(scenario: Scenario, server: Server, seconds: float, folder: Path) -> None:
    """One run more, sampled; the busiest functions go to standard error."""
    with spy.recording(server.pids(), folder, scenario.name) as files:
        scenario.once(server, seconds)
    for file in files:
        print(f"{file}: own and total share of its samples", file=sys.stderr)
        print("\n".join(spy.busiest(file.read_text().splitlines())), file=sys.stderr)
