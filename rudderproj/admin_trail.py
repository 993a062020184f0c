"""Older and newer pages of what can only be continued backwards: the way one came is kept in the page's address.

Must never trust it: whoever reads a cursor checks it.
"""

from dataclasses import dataclass

from django.http import HttpRequest

BEFORE, TRAIL = "before", "trail"
_SEPARATOR = "~"
_LONGEST = 100  # pages one can step back through; the first page is a click away anyway


@dataclass(frozen=True, slots=True)
class Trail:
    """The pages around the shown one, as query strings; empty where there is none."""

    newest: str = ""
    newer: str = ""
    older: str = ""


def trail(request: HttpRequest, next_before: str | None) -> Trail:
    """`next_before`: the cursor that continues the shown page, None on the last one."""
    here = request.GET.get(BEFORE, "")
    came_by = [step for step in request.GET.get(TRAIL, "").split(_SEPARATOR) if step][-_LONGEST:]
    if not here:
        return Trail(older=_query(request, next_before, []) if next_before else "")
    older = _query(request, next_before, [*came_by, here]) if next_before else ""
    newer = _query(request, came_by[-1], came_by[:-1]) if came_by else _query(request, "", [])
    return Trail(_query(request, "", []), newer, older)


def _query(request: HttpRequest, before: str, came_by: list[str]) -> str:
    query = request.GET.copy()
    query[BEFORE], query[TRAIL] = before, _SEPARATOR.join(came_by)
    for name in [name for name, value in query.items() if not value]:
        del query[name]
    return f"?{query.urlencode()}"
