"""Admin of what operators did to destinations."""

from django.contrib import admin
from unfold.contrib.filters.admin import RelatedDropdownFilter

from destinations.models import DestinationAction
from rudderproj.admin_keyset import KeysetAdmin
from rudderproj.admin_parts import label


@admin.register(DestinationAction)
class DestinationActionAdmin(KeysetAdmin):
    """Who paused and resumed which destination, when and why."""

    list_display = ("at", "destination", "shown_action", "from_state", "actor", "reason")
    list_filter = ("action", ("destination", RelatedDropdownFilter))
    list_select_related = ("destination",)
    exclude = ("snapshot", "lanes")

    @admin.display(description="action")
    def shown_action(self, row: DestinationAction) -> str:
        return label(row.action)
