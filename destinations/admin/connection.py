"""Admin of connections."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import RelatedDropdownFilter

from destinations.models import Connection
from rudderproj.admin_parts import FastAdmin


@admin.register(Connection)
class ConnectionAdmin(FastAdmin):
    """Connections are switched off, not deleted."""

    list_display = ("__str__", "enabled", "created_at")
    list_filter = ("enabled", ("source", RelatedDropdownFilter), ("destination", RelatedDropdownFilter))
    list_select_related = ("source", "destination")
    search_fields = ("source__name", "destination__name")
    readonly_fields = ("created_at",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("source", "destination", "created_at") if obj else ("created_at",)
