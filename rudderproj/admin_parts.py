"""What the apps' admin pages share: lists that stay fast on large tables, pages that only show, and coloured words.

Must never count a table, and never lets a row be deleted that other tables lean on.
"""

from functools import cached_property
from typing import TYPE_CHECKING, cast

from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

if TYPE_CHECKING:  # unfold carries no types; its classes are Django's with other templates
    from django.contrib.admin import ModelAdmin, TabularInline
else:
    from unfold.admin import ModelAdmin, TabularInline

__all__ = ["CappedPaginator", "FastAdmin", "ReadOnlyAdmin", "TabularInline", "label", "shortened"]

MOST_ROWS = 1000  # a list by page numbers goes no further back: filter or search instead
TONES = {
    "good": frozenset({"ok", "closed", "delivered", "normal", "done", "enabled", "accepted", "running"}),
    "bad": frozenset({"held", "open", "aborted", "degraded", "refused", "rejected", "cancelled"}),
    "warn": frozenset({"paused", "half_open", "failed", "retry", "waiting"}),
}


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


def label(word: str, tone: str = "") -> SafeString:
    """A state as a coloured word; its colour follows from the word when none is given (good, bad, warn)."""
    found = tone or next((name for name, words in TONES.items() if word in words), "plain")
    return format_html('<span class="rp-label rp-label--{}">{}</span>', found, word.replace("_", " "))


def shortened(text: str, most: int = 80) -> SafeString:
    """A long text on one line, whole as a tooltip."""
    shown = text if len(text) <= most else f"{text[: most - 1]}…"
    return format_html('<span title="{}">{}</span>', text[:2000], shown)
