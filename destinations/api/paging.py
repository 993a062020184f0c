"""Lists by pages: `limit` and `cursor` in, `items` and `next` out.

A cursor is a place in the order and no page number, so that rows that come and go meanwhile neither repeat nor hide
others. Must never count.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Model, QuerySet
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from destinations.api.shapes import Shape

MOST = 200
DEFAULT = 50
MOST_ID = 2**63 - 1


class IdQuery(Shape):
    """A page of rows by their ids."""

    limit = serializers.IntegerField(min_value=1, max_value=MOST, default=DEFAULT, help_text="items on a page")
    cursor = serializers.IntegerField(
        min_value=0, max_value=MOST_ID, required=False, help_text="`next` of the page before"
    )


def asked(request: Request, kind: type[Shape]) -> dict[str, Any]:
    """The query's values. Raises ValidationError, also for a parameter given twice."""
    repeated = [name for name, values in request.query_params.lists() if len(values) > 1]
    if repeated:
        raise serializers.ValidationError(dict.fromkeys(repeated, "given more than once"))
    query = kind(data=request.query_params.dict())
    query.is_valid(raise_exception=True)
    return dict(query.validated_data)


def rows_after(
    rows: QuerySet[Any], query: Mapping[str, Any], newest_first: bool = False
) -> tuple[list[Any], str | None]:
    """The page's rows by their ids, and the cursor of the next."""
    if "cursor" in query:
        rows = rows.filter(pk__lt=query["cursor"]) if newest_first else rows.filter(pk__gt=query["cursor"])
    found: list[Model] = list(rows.order_by("-pk" if newest_first else "pk")[: query["limit"] + 1])
    shown = found[: query["limit"]]
    return shown, str(shown[-1].pk) if len(found) > len(shown) else None


def page(items: Iterable[Any], cursor: str | None) -> dict[str, Any]:
    """A page's body."""
    return {"items": list(items), "next": cursor}


def row_or_404(rows: QuerySet[Any], pk: object, what: str) -> Any:
    """The row of that id. Raises NotFound that says what is not there."""
    row = rows.filter(pk=pk).first()
    if row is None:
        raise NotFound(f"there is no such {what}")
    return row
