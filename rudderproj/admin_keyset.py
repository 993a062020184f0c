"""Long lists in the admin: newest first, paged by where one stands instead of by a number.

A page costs what it shows, however far back it is: no count, no offset. Must only be ordered by fields an index has.
"""

from typing import TYPE_CHECKING, Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest

from rudderproj.admin_parts import ReadOnlyAdmin

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.views import ChangeList

NEWER_THAN, OLDER_THAN = "newer_than", "older_than"
_SEPARATOR = "~"  # between a cursor's values


class Pager:
    """Takes the place of a paginator: which links there are."""

    template_name = "rudderproj/keyset_pagination.html"

    def __init__(self, per_page: int) -> None:
        self.per_page = per_page
        self.newest = self.newer = self.older = ""  # query strings, empty when there is nothing to go to


class KeysetChangeList(ChangeList):
    """The rows beyond a cursor, newest first."""

    model_admin: "KeysetAdmin"

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        found = super().get_filters_params(params)
        return {name: value for name, value in found.items() if name not in (NEWER_THAN, OLDER_THAN)}

    def get_ordering(self, request: HttpRequest, queryset: "QuerySet[Model]") -> "list[str | Combinable]":
        return [f"-{name}" for name in self.model_admin.keyset]

    def get_results(self, request: HttpRequest) -> None:
        most = self.list_per_page
        newer, older = request.GET.get(NEWER_THAN), request.GET.get(OLDER_THAN)
        rows = self.queryset
        if newer:
            rows = rows.filter(self._beyond(newer, "gt")).reverse()
        elif older:
            rows = rows.filter(self._beyond(older, "lt"))
        found = list(rows[: most + 1])
        more, found = len(found) > most, found[:most]
        if newer:
            found.reverse()
        self.result_list = found
        self.result_count = len(found)
        self.full_result_count, self.show_full_result_count = None, False
        self.show_admin_actions = True
        self.can_show_all, self.multi_page = True, False
        may_be_newer, may_be_older = (more, True) if newer else (bool(older), more)
        self.paginator = self._pager(found, may_be_newer, may_be_older)

    def _pager(self, found: list[Model], may_be_newer: bool, may_be_older: bool) -> Pager:
        pager = Pager(self.list_per_page)
        both = [NEWER_THAN, OLDER_THAN]
        if found and may_be_newer:
            pager.newer = self.get_query_string({NEWER_THAN: self._cursor(found[0])}, both)
        if found and may_be_older:
            pager.older = self.get_query_string({OLDER_THAN: self._cursor(found[-1])}, both)
        if pager.newer or not found:
            pager.newest = self.get_query_string(remove=both)
        return pager

    def _cursor(self, row: Model) -> str:
        values = [getattr(row, name) for name in self.model_admin.keyset]
        return _SEPARATOR.join(value.isoformat() if hasattr(value, "isoformat") else str(value) for value in values)

    def _beyond(self, cursor: str, side: str) -> Q:
        """Rows on one side of a cursor; as a range of the first field too, which is what an index is entered by."""
        names = self.model_admin.keyset
        parts = cursor.split(_SEPARATOR)
        if len(parts) != len(names):
            raise IncorrectLookupParameters
        try:
            fields = [self.lookup_opts.get_field(name) for name in names]
            values = [field.to_python(part) for field, part in zip(fields, parts, strict=True)]  # type: ignore[union-attr]
        except ValidationError as error:
            raise IncorrectLookupParameters(error) from error
        beyond, same = Q(), Q()
        for name, value in zip(names, values, strict=True):
            beyond |= same & Q(**{f"{name}__{side}": value})
            same &= Q(**{name: value})
        return beyond & Q(**{f"{names[0]}__{side}e": values[0]})


class KeysetAdmin(ReadOnlyAdmin):
    """A list of a table that may be long. `keyset`: the fields it is ordered by, together unique, newest first."""

    keyset: tuple[str, ...] = ("id",)
    sortable_by = ()
    list_disable_select_all = True  # "all of them" may be millions: an action takes what was ticked
    date_hierarchy = None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return KeysetChangeList
