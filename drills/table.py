"""The table at the end, for a terminal and for a page of the documentation alike. Pure."""

from collections.abc import Sequence

from drills.judging import Outcome

HEAD = (
    *("drill", "accepted", "lost", "duplicates", "out of order"),
    *("first delivery s", "slowest user s", "backlog s", "refused", ""),
)


def render(outcomes: Sequence[Outcome]) -> str:
    """A table in Markdown, aligned; what failed or was late says so in its last column."""
    rows = [HEAD, *map(_row, outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    rule = [f"{'-' * (width - 1)}{_ends(column)}" for column, width in enumerate(widths)]
    return "\n".join("| " + " | ".join(_aligned(row, widths)) + " |" for row in (rows[0], rule, *rows[1:]))


def line(found: Outcome) -> str:
    """The same of one drill, for whoever watches."""
    cells = zip(HEAD, _row(found), strict=True)
    return ", ".join(f"{head} {cell}".strip() for head, cell in cells if cell)


def counts(outcomes: Sequence[Outcome]) -> str:
    """How it went in one line, as test runners close."""
    passed, late = sum(found.is_passed for found in outcomes), sum(found.is_late for found in outcomes)
    skipped = sum(bool(found.skipped) for found in outcomes)
    return f"{passed} passed, {late} late, {len(outcomes) - passed - late - skipped} failed, {skipped} skipped"


def _ends(column: int) -> str:
    """How the rule below the head ends: with a colon for what stands to the right."""
    return "-" if column in (0, len(HEAD) - 1) else ":"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    last = len(row) - 1
    return [
        cell.ljust(width) if column in (0, last) else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _row(found: Outcome) -> tuple[str, ...]:
    if found.skipped:
        return (found.name, *[""] * (len(HEAD) - 2), f"skipped: {found.skipped}")
    return (
        found.name,
        f"{found.accepted:,}",
        str(found.lost),
        str(found.duplicates),
        str(found.out_of_order),
        _seconds(found.first_delivery_seconds),
        _seconds(found.slowest_user_seconds),
        _seconds(found.backlog_seconds),
        str(found.refused),
        _word(found),
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _word(found: Outcome) -> str:
    if found.problems:
        late = [line for line in found.late if line not in found.problems]
        return ", ".join(["FAILED: " + "; ".join(found.problems), *late, *found.notes])
    return ", ".join(["late: " + "; ".join(found.late) if found.late else "ok", *found.notes])
