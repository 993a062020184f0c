"""Admin of what was in flight when a worker died."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.contrib.filters.admin import RelatedDropdownFilter

from destinations.models import Suspect
from rudderproj.admin_keyset import KeysetAdmin
from rudderproj.admin_parts import label, shortened

TONES = {Suspect.State.OPEN: "warn", Suspect.State.CLEARED: "good", Suspect.State.GUILTY: "bad"}


@admin.register(Suspect)
class SuspectAdmin(KeysetAdmin):
    """Events that are tried alone, and what came of it, newest first."""

    list_display = ("created_at", "destination", "shown_event", "shown_state", "deaths_alone", "settled_at")
    list_filter = ("state", ("destination", RelatedDropdownFilter))
    list_select_related = ("destination",)
    exclude = ("crashes",)
    readonly_fields = ("shown_crashes",)

    @admin.display(description="event")
    def shown_event(self, row: Suspect) -> str:
        return shortened(row.message_id, 40) if row.connection_id else "its link"

    @admin.display(description="state")
    def shown_state(self, row: Suspect) -> str:
        return label(row.state, TONES[Suspect.State(row.state)])

    @admin.display(description="crashes")
    def shown_crashes(self, row: Suspect) -> str:
        links = [(reverse("admin:alerts_crash_change", args=[pk]), pk) for pk in row.crashes]
        return format_html("{}", format_html_join(" ", '<a href="{}">{}</a>', links))
