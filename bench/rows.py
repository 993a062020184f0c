"""Results laid out: the same rows for a terminal and for a page. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.figures import leaf, wrong

ROLES = ("web", "forward", "postgres", "valkey", "rest", "load", "sink")
HEADS = ("scenario", "median", "min..max", "", "reach", "met", "p95 ms", *ROLES, "WAL B", "wrong", "others")


def cells(results: Sequence[Mapping[str, Any]], comparisons: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The heads, a row for each scenario, a row for each comparison."""
    return [HEADS, *(_scenario(result) for result in results), *(_comparison(one) for one in comparisons)]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """For a terminal."""
    widths = _widths(rows)
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """For a page."""
    widths = _widths(rows)
    lines = [
        " | ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    rule = " | ".join(["-" * widths[0], *("-" * (max(width, 2) - 1) + ":" for width in widths[1:])])
    return "\n".join(f"| {line} |" for line in [lines[0], rule, *lines[1:]])


def memory(results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What all processes take when there is nothing to do, as a line; none if that was not measured."""
    for result in results:
        if "memory_mib" in (values := result["median"]):
            parts = ", ".join(f"{role} {size:,.0f}" for role, size in values["memory_mib_by_role"].items())
            yield f"Memory of all processes when idle: {values['memory_mib']:,.0f} MiB ({parts})."


def _scenario(result: Mapping[str, Any]) -> tuple[str, ...]:
    values, figure = result["median"], result["figure"]
    cpu = values.get("cpu_seconds_per_event", {})
    latency = values.get("latency_ms") or values.get("answer_ms")
    return (
        result["name"],
        number(leaf(values, figure["field"])),
        "..".join(number(value) for value in result["spread"]),
        figure["unit"],
        *_reach(figure, result["is_met"]),
        number(latency["p95"]) if latency else "",
        *(number(cpu[role] * 1e6) if role in cpu else "" for role in ROLES),
        number(values["wal_bytes_per_event"]) if "wal_bytes_per_event" in values else "",
        str(wrong(result)),
        f"{values['other_cpus']:.1f}",
    )


def _comparison(one: Mapping[str, Any]) -> tuple[str, ...]:
    blanks = [""] * (len(HEADS) - 6)
    return (
        one["name"],
        f"{one['value']:.2f}",
        "..".join(f"{value:.2f}" for value in one["spread"]),
        one["figure"]["unit"],
        *_reach(one["figure"], one["is_met"]),
        *blanks,
    )


def _reach(figure: Mapping[str, Any], is_met: bool | None) -> tuple[str, str]:
    if figure["reach"] is None:
        return "", ""
    return f"{'≤' if figure['is_most'] else '≥'} {figure['reach']:,g}", "yes" if is_met else "no"


def number(value: float) -> str:
    """With as many digits as mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
