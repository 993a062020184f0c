"""Tables of plain text, as commands print them."""

from collections.abc import Sequence
from typing import Any


def table(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> list[str]:
    """Aligned lines: texts to the left, numbers to the right."""
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    heads = [column.replace("_", " ") for column in columns]
    widths = [max(len(head), *(len(line[i]) for line in cells), 0) for i, head in enumerate(heads)]
    numeric = [bool(rows) and isinstance(rows[0][column], int | float) for column in columns]
    return [
        "  "
        + "  ".join(t.rjust(w) if n else t.ljust(w) for t, w, n in zip(line, widths, numeric, strict=True)).rstrip()
        for line in [heads, *cells]
    ]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.1f}" if isinstance(value, float) else " ".join(str(value).split())[:80]
