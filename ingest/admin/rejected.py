"""Admin of what was refused."""

from django.contrib import admin
from unfold.contrib.filters.admin import RelatedDropdownFilter

from ingest.models import RejectedEvent
from rudderproj.admin_keyset import KeysetAdmin
from rudderproj.admin_parts import shortened


@admin.register(RejectedEvent)
class RejectedEventAdmin(KeysetAdmin):
    """What was not accepted, and why."""

    list_display = ("received_at", "source", "shown_message_id", "shown_reason")
    list_filter = (("source", RelatedDropdownFilter),)
    list_select_related = ("source",)
    keyset = ("received_at", "id")

    @admin.display(description="message id")
    def shown_message_id(self, row: RejectedEvent) -> str:
        return shortened(row.message_id or "none")

    @admin.display(description="reason")
    def shown_reason(self, row: RejectedEvent) -> str:
        return shortened(row.reason, 120)
