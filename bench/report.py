"""Results as a file and as a table."""

import json
import os
import platform
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from bench.scenarios import Scenario

RESULTS = Path(__file__).parent / "results.json"
MEDIAN_OF = (
    "other_cpus",
    "accepted_per_second",
    "delivered_per_second",
    "answer_ms",
    "latency_ms",
    "cpu_seconds_per_event",
)
WORST_OF = ("lost", "duplicates", "out_of_order")


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
    }


def summary(scenario: Scenario, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """One scenario as the results keep it."""
    return {
        "name": scenario.name,
        "promise": dict([scenario.promise]),
        "runs": runs,
        "median": {name: _median([run[name] for run in runs]) for name in MEDIAN_OF}
        | {name: max(run[name] for run in runs) for name in WORST_OF},
    }


def write(scenarios: list[dict[str, Any]]) -> None:
    """bench/results.json."""
    RESULTS.write_text(json.dumps({"machine": machine(), "scenarios": scenarios}, indent=1) + "\n")


def table(scenarios: list[dict[str, Any]]) -> str:
    """For a person; CPU is microseconds an event, `others` the CPUs that other programs kept busy."""
    rows = [
        (
            "scenario",
            "in/s",
            "out/s",
            "p50 ms",
            "p95 ms",
            "p99 ms",
            "web",
            "forward",
            "postgres",
            "valkey",
            "wrong",
            "others",
        )
    ]
    for scenario in scenarios:
        values = scenario["median"]
        latency, cpu = values["latency_ms"], values["cpu_seconds_per_event"]
        rows.append(
            (
                scenario["name"],
                *(f"{values[name]:,.0f}" for name in ("accepted_per_second", "delivered_per_second")),
                *(f"{latency[name]:,.1f}" for name in ("p50", "p95", "p99")),
                *(f"{cpu.get(role, 0) * 1e6:,.0f}" for role in ("web", "forward", "postgres", "valkey")),
                str(sum(values[name] for name in WORST_OF)),
                f"{values['other_cpus']:.1f}",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def _median(values: list[Any]) -> Any:
    if isinstance(values[0], dict):
        return {name: _median([value[name] for value in values]) for name in values[0]}
    return round(median(values), 7)
