"""`python -m bench [--quick] [--only NAME]`: exit code 1 when an event was lost, repeated or out of order."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import report, scenarios
from bench.stack import Stack, running

WARM_UP_SECONDS = 3.0


def main() -> int:
    """Measure, print the table, write the results."""
    options = _parser().parse_args()
    seconds, runs = (4.0, 1) if options.quick else (options.seconds, options.runs)
    wanted = [scenario for scenario in scenarios.SCENARIOS if options.only in scenario.name]
    with tempfile.TemporaryDirectory(prefix="rudderproj-bench-") as folder, running(Path(folder)) as stack:
        results = [_measure(scenario, stack, seconds, runs) for scenario in wanted]
    report.write(results)
    print(report.table(results))
    return int(any(result["median"][name] for result in results for name in report.WORST_OF))


def _measure(scenario: scenarios.Scenario, stack: Stack, seconds: float, runs: int) -> dict[str, Any]:
    print(f"{scenario.name} …", file=sys.stderr)
    scenarios.run(scenario, stack, WARM_UP_SECONDS)
    return report.summary(scenario, [scenarios.run(scenario, stack, seconds) for _ in range(runs)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Columns web to valkey: CPU microseconds an event; others: CPUs busy with something else.",
    )
    parser.add_argument("--quick", action="store_true", help="one short run each")
    parser.add_argument("--only", default="", metavar="TEXT", help="scenarios whose name contains this")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of a run")
    parser.add_argument("--runs", type=int, default=3, help="runs of each scenario; the median counts")
    return parser


if __name__ == "__main__":
    sys.exit(main())
