"""Runs to medians and spread, and what is compared of them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from bench.scenarios.scenario import Comparison, Run, Scenario

WORST_OF = ("lost", "duplicates", "out_of_order")  # what may never be anything but 0: the worst run counts


def leaf(values: Mapping[str, Any], field: str) -> float:
    """The number at `latency_ms.p95`. Raises KeyError."""
    found: Any = values
    for name in field.split("."):
        found = found[name]
    return float(found)


def summary(scenario: Scenario, runs: Sequence[Run]) -> dict[str, Any]:
    """One scenario as the results keep it: its runs, their medians, and the smallest and largest of its figure."""
    values = [leaf(run, scenario.figure.field) for run in runs]
    middle = _median(runs) | {name: max(run[name] for run in runs) for name in WORST_OF if name in runs[0]}
    return {
        "name": scenario.name,
        "figure": asdict(scenario.figure),
        "runs": list(runs),
        "median": middle,
        "spread": [min(values), max(values)],
        "is_met": scenario.figure.is_met(leaf(middle, scenario.figure.field)),
    }


def merged(scenario: Scenario, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One scenario that was measured on several stacks, as if on one."""
    whole = summary(scenario, [run for result in results for run in result["runs"]])
    loop = max(result["calibration"]["cpu_ms"] for result in results)
    last = {name: results[-1][name] for name in ("measured_at", "commit")}
    return whole | last | {"calibration": {"cpu_ms": loop}}


def compared(comparison: Comparison, results: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The quotient as the results keep it; None unless both scenarios were measured in the same turns.

    The median of what each turn says, in which one run came after the other.
    """
    runs = {result["name"]: result["runs"] for result in results}
    if comparison.of not in runs or comparison.to not in runs:
        return None
    of, to = ([leaf(run, comparison.figure.field) for run in runs[name]] for name in (comparison.of, comparison.to))
    if len(of) != len(to) or not all(to):
        return None
    turns = [round(one / other / comparison.factor, 3) for one, other in zip(of, to, strict=True)]
    value = round(median(turns), 3)
    return {
        "name": comparison.name,
        "of": comparison.of,
        "to": comparison.to,
        "figure": asdict(comparison.figure),
        "value": value,
        "spread": [min(turns), max(turns)],
        "is_met": comparison.figure.is_met(value),
    }


def wrong(result: Mapping[str, Any]) -> int:
    """Events lost, repeated or out of order in the worst runs."""
    return sum(result["median"].get(name, 0) for name in WORST_OF)


def _median(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Field by field, also within fields that are mappings."""
    return {
        name: _median([run[name] for run in runs])
        if isinstance(first, dict)
        else round(median(run[name] for run in runs), 7)
        for name, first in runs[0].items()
    }
