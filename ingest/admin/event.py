"""Admin of events and what was refused."""

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.contrib.filters.admin import RelatedDropdownFilter

from ingest import lookup
from ingest.models import LoggedEvent, RejectedEvent, Source
from rudderproj.admin_keyset import KeysetAdmin
from rudderproj.admin_parts import ReadOnlyAdmin, shortened

SHOWN_EVENTS = 100
SHOWN_DAYS = 2


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


class _Search(forms.Form):
    message_id = forms.CharField(required=False)
    source = forms.ModelChoiceField(Source.objects.order_by("name"), required=False, empty_label="all sources")


@admin.register(LoggedEvent)
class EventAdmin(ReadOnlyAdmin):
    """The event log: its newest events, or those with a message id."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self._require_view(request)
        form = _Search(request.GET)
        chosen = form.cleaned_data if form.is_valid() else {}
        source_id = chosen["source"].pk if chosen.get("source") else None
        if chosen.get("message_id"):
            events = lookup.by_message_id(chosen["message_id"], source_id)
        else:
            events = lookup.newest(source_id, SHOWN_EVENTS, SHOWN_DAYS)
        context = {"title": "Events", "form": form, "events": events, "shown": SHOWN_EVENTS, "days": SHOWN_DAYS}
        return self._page(request, "ingest/events.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        self._require_view(request)
        event = lookup.by_place(object_id)
        if event is None:
            raise Http404
        payload = json.dumps(json.loads(event.payload), indent=2, ensure_ascii=False)
        return self._page(request, "ingest/event.html", {"title": event.message_id, "event": event, "payload": payload})

    def _require_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        whole = self.admin_site.each_context(request) | {"opts": self.opts} | context
        return TemplateResponse(request, template, whole)
