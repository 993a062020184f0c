"""Admin of events: the log, newest first, and where each event is."""

import json
import re
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from destinations import trace
from destinations.admin.search import LocalMoment, SourceChoice
from destinations.trace import Trace
from ingest.history import Asked, Place
from ingest.models import LoggedEvent
from rudderproj.admin_parts import ReadOnlyAdmin
from rudderproj.admin_trail import BEFORE, trail

SHOWN_EVENTS = 50
_PLACE = re.compile(r"(\d{1,18})\.(\d{1,9})")


class _Search(forms.Form):
    message_id = forms.CharField(required=False)
    user_key = forms.CharField(required=False, label="User")
    source = SourceChoice(required=False)
    since = LocalMoment(required=False)
    until = LocalMoment(required=False)


@admin.register(LoggedEvent)
class EventAdmin(ReadOnlyAdmin):
    """The event log: its newest events, those of a user or a time, or those with a message id."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        self._require_view(request)
        form = _Search(request.GET)
        form.is_valid()
        found = _find(form.cleaned_data, request.GET.get(BEFORE, ""))
        next_before = "{}.{}".format(*found.next_before) if found.next_before else None
        context = {"title": "Events", "form": form, "found": found, "trail": trail(request, next_before)}
        return self._page(request, "destinations/events.html", context | {"shown": len(found.events)})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        self._require_view(request)
        traced = trace.by_place(object_id)
        if traced is None:
            raise Http404
        payload = json.dumps(traced.event.content, indent=2, ensure_ascii=False)
        context = {"title": traced.event.message_id, "traced": traced, "event": traced.event, "payload": payload}
        return self._page(request, "destinations/event.html", context)

    def _require_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        whole = self.admin_site.each_context(request) | {"opts": self.opts} | context
        return TemplateResponse(request, template, whole)


def _find(chosen: dict[str, Any], before: str) -> Trace:
    source = chosen.get("source")
    source_id = source.pk if source else None
    if chosen.get("message_id"):
        return trace.by_message_id(chosen["message_id"], source_id)
    asked = Asked(source_id, chosen.get("user_key") or None, chosen.get("since"), chosen.get("until"))
    return trace.walk(asked, SHOWN_EVENTS, _place(before))


def _place(text: str) -> Place | None:
    match = _PLACE.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None
