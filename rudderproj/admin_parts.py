"""What the apps' admin pages share: lists that stay fast on large tables, and pages that only show.

Must never count a table, and never lets a row be deleted that other tables lean on.
"""

from functools import cached_property
from typing import TYPE_CHECKING, cast

from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from rudderproj.admin_labels import label, shortened

if TYPE_CHECKING:  # unfold carries no types; its classes are Django's with other templates
    from django.contrib.admin import ModelAdmin, TabularInline
else:
    from unfold.admin import ModelAdmin, TabularInline

__all__ = ["CappedPaginator", "FastAdmin", "ReadOnlyAdmin", "TabularInline", "label", "shortened"]

MOST_ROWS = 1000  # a list by page numbers goes no further back: filter or search instead


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than MOST_ROWS."""

    @cached_property
    def count(self) -> int:
        return cast("QuerySet[Model]", self.object_list)[:MOST_ROWS].count()


class FastAdmin(ModelAdmin):  # type: ignore[type-arg]
    """A list without counting a whole table. Nothing is deleted here: rows of other tables lean on these."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_filter_submit = True
    list_filter_sheet = False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyAdmin(FastAdmin):
    """Shows rows that only the product writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
