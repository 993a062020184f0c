"""Results as a file: bench/results.json, of a comparison bench/comparison.json."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.figures import compared
from bench.scenarios.scenario import Comparison

RESULTS = Path(__file__).parent / "results.json"
COMPARISON = RESULTS.with_name("comparison.json")


def read(path: Path = RESULTS) -> dict[str, Any]:
    """What was written last, with `machine`, `scenarios` and `comparisons`. Raises FileNotFoundError."""
    return dict(json.loads(path.read_text()))


def before() -> dict[str, Any] | None:
    """What was measured before; None if nothing, or by a release that kept it in another way."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        found = read()
        if all("commit" in one for one in found["scenarios"]) and all("spread" in one for one in found["comparisons"]):
            return found
    return None


def assembled(
    machine: dict[str, Any],
    results: list[dict[str, Any]],
    comparisons: Sequence[Comparison],
    former: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """What is written. Scenarios that were measured on such a machine before (`former`), and not now, stay.

    So do their comparisons: what was measured now is not compared with what was measured at another time.
    """
    kept, quotients = [], []
    if former and _kind(former["machine"]) == _kind(machine):
        again = {result["name"] for result in results}
        kept = [result for result in former["scenarios"] if result["name"] not in again]
        quotients = [one for one in former["comparisons"] if again.isdisjoint((one["of"], one["to"]))]
    quotients += [one for one in (compared(comparison, results) for comparison in comparisons) if one]
    return {"machine": machine, "scenarios": kept + results, "comparisons": quotients}


def write(document: dict[str, Any], path: Path = RESULTS) -> None:
    """The whole of it."""
    path.write_text(json.dumps(document, indent=1) + "\n")


def _kind(machine: dict[str, Any]) -> dict[str, Any]:
    """What makes it the same machine: not how fast it was just then, nor what ran on it."""
    return {name: value for name, value in machine.items() if name not in {"calibration", "commit", "postgresql"}}
