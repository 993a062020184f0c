"""Admin of incidents: the open ones first, each with what it told whom."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from alerts.incidents import words
from alerts.incidents.kinds import title
from alerts.models import Incident, Notification
from rudderproj.admin_keyset import KeysetAdmin
from rudderproj.admin_parts import label, shortened

TONES = {"critical": "bad", "error": "bad", "warning": "warn", "info": "plain"}
SHOWN_OPEN = 50


class StateFilter(admin.SimpleListFilter):
    """Open or resolved."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "open"), ("resolved", "resolved")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Incident]") -> "QuerySet[Incident]":
        return queryset.filter(resolved_at__isnull=self.value() == "open") if self.value() else queryset


@admin.register(Incident)
class IncidentAdmin(KeysetAdmin):
    """What people were told of, newest first; what is open stands above."""

    list_display = ("shown_summary", "shown_kind", "shown_severity", "opened_at", "resolved_at")
    list_filter = (StateFilter, "severity", "kind")
    list_before_template = "alerts/open_incidents.html"
    change_form_template = "alerts/incident.html"
    fields = ()

    @admin.display(description="summary")
    def shown_summary(self, row: Incident) -> str:
        return shortened(row.summary)

    @admin.display(description="kind")
    def shown_kind(self, row: Incident) -> str:
        return title(row.kind)

    @admin.display(description="severity")
    def shown_severity(self, row: Incident) -> str:
        return label(row.severity, TONES[row.severity])

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        rows = Incident.objects.filter(resolved_at=None).order_by("id")[:SHOWN_OPEN]
        shown = [(row, self.shown_severity(row)) for row in rows] if not request.GET else []
        return super().changelist_view(request, (extra_context or {}) | {"open_incidents": shown})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row: Incident = kwargs["obj"]
        told = Notification.objects.filter(incident=row).select_related("channel").order_by("id")
        context |= {
            "row": row,
            "kind": title(row.kind),
            "severity": self.shown_severity(row),
            "details": [(words.label(name), value) for name, value in words.in_order(row.details)],
            "notifications": [(one, label(*_state(one))) for one in told],
        }
        return super().render_change_form(request, context, *args, **kwargs)


def _state(one: Notification) -> tuple[str, str]:
    """What became of a notification, and its tone."""
    if one.sent_at:
        return "accepted", "good"
    if one.next_attempt_at is None:
        return "given up", "plain"
    return ("not accepted", "bad") if one.last_error else ("due", "warn")
