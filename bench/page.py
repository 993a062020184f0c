"""The generated part of docs/performance.md: `python -m bench.page` writes it from the last results."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import report, rows

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- figures: python -m bench.page writes them -->", "<!-- end of figures -->"


def generated(document: dict[str, Any]) -> str:
    """The table, and what it was measured on."""
    machine, scenarios = document["machine"], document["scenarios"]
    commits = defaultdict(list)
    for result in scenarios:
        commits[result["commit"]].append(result["name"])
    days = sorted({result["measured_at"][:10] for result in scenarios})
    lengths = sorted({len(result["runs"]) for result in scenarios})
    loops = sorted(result["calibration"]["cpu_ms"] for result in scenarios)
    system = machine["system"].partition("-")[0]
    lines = [
        f"Measured {' to '.join(dict.fromkeys((days[0], days[-1])))} at {_told(commits)}: {machine['cpus']} CPUs "
        f"({machine['processor']}), {machine['memory_bytes'] / 2**30:.0f} GiB, Python {machine['python']}, "
        f"PostgreSQL {machine['postgresql']}, {system}. "
        f"Runs of each scenario: {' to '.join(str(n) for n in dict.fromkeys((lengths[0], lengths[-1])))}. "
        f"The calibration loop took {loops[0]:.0f} to {loops[-1]:.0f} ms of CPU.",
        rows.markdown(rows.cells(scenarios, document["comparisons"])),
        *rows.memory(scenarios),
    ]
    return "\n\n".join(lines)


def _told(commits: Mapping[str, list[str]]) -> str:
    """The commit of most rows, then the others with their rows."""
    first, *others = sorted(commits, key=lambda commit: -len(commits[commit]))
    return ", and at ".join([first, *(f"{commit}: {', '.join(commits[commit])}" for commit in others)])


def renewed(text: str, figures: str) -> str:
    """The page with other figures between its marks. Raises ValueError when it has no marks."""
    before, begun, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ValueError("docs/performance.md has lost the marks around its figures")
    return f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}"


def write(document: dict[str, Any]) -> None:
    """Put these results into the page."""
    PAGE.write_text(renewed(PAGE.read_text(), generated(document)))


if __name__ == "__main__":
    write(report.read())
