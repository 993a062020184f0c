"""Admin of exceptional rows and the attempts behind them."""

from django.contrib import admin
from unfold.contrib.filters.admin import RelatedDropdownFilter

from destinations.models import Attempt, Delivery
from rudderproj.admin_keyset import KeysetAdmin
from rudderproj.admin_parts import label, shortened


@admin.register(Delivery)
class DeliveryAdmin(KeysetAdmin):
    """Failed, waiting and aborted events, and what became of them."""

    list_display = (
        "shown_message_id",
        "connection",
        "shown_state",
        "user_key",
        "attempts",
        "next_attempt_at",
        "shown_reason",
    )
    list_filter = (
        "state",
        ("connection__destination", RelatedDropdownFilter),
        ("connection__source", RelatedDropdownFilter),
    )
    list_select_related = ("connection__source", "connection__destination")
    search_fields = ("=message_id",)
    search_help_text = "a whole message id"

    @admin.display(description="message id")
    def shown_message_id(self, row: Delivery) -> str:
        return shortened(row.message_id, 40)

    @admin.display(description="state")
    def shown_state(self, row: Delivery) -> str:
        return label(row.state)

    @admin.display(description="reason")
    def shown_reason(self, row: Delivery) -> str:
        return shortened(row.reason)


@admin.register(Attempt)
class AttemptAdmin(KeysetAdmin):
    """Tries that failed, or that followed a failed one."""

    list_display = ("at", "connection", "shown_message_id", "status", "shown_outcome", "shown_error", "duration_ms")
    list_filter = ("outcome", ("connection__destination", RelatedDropdownFilter))
    list_select_related = ("connection__source", "connection__destination")
    search_fields = ("=message_id",)
    search_help_text = "a whole message id"

    @admin.display(description="message id")
    def shown_message_id(self, row: Attempt) -> str:
        return shortened(row.message_id, 40)

    @admin.display(description="outcome")
    def shown_outcome(self, row: Attempt) -> str:
        return label(row.outcome)

    @admin.display(description="error")
    def shown_error(self, row: Attempt) -> str:
        return shortened(row.error)
