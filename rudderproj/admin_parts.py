"""What the apps' admin pages share: lists that stay fast on large tables, and pages that only show."""

from functools import cached_property
from typing import cast

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest

MOST_ROWS = 1000  # a list goes no further back: filter or search instead


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than MOST_ROWS."""

    @cached_property
    def count(self) -> int:
        return cast("QuerySet[Model]", self.object_list)[:MOST_ROWS].count()


class FastAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A list without counting a whole table. Nothing is deleted here: rows of other tables lean on these."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyAdmin(FastAdmin):
    """Shows rows that only the product writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
