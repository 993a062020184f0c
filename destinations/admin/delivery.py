"""Admin of exceptional rows: failed and waiting events, dead letters, and the attempts behind them.

Lists come from destinations.letters, which costs what a page shows. Must never count or sort a table.
"""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from destinations import letters
from destinations.admin.replay import replay_letters
from destinations.admin.search import DestinationChoice, LocalMoment, SourceChoice
from destinations.models import Attempt, DeadLetter, Delivery
from rudderproj.admin_buttons import Button, ButtonAdmin
from rudderproj.admin_keyset import KeysetAdmin
from rudderproj.admin_labels import label, shortened
from rudderproj.admin_trail import BEFORE, trail

SHOWN_ROWS = 50
SHOWN_ATTEMPTS = 50
_OTHERS = [("", "every state"), *((s.value, s.label.lower()) for s in Delivery.State if s != Delivery.State.ABORTED)]


class LetterSearch(forms.Form):
    """Which dead letters."""

    destination = DestinationChoice(required=False)
    source = SourceChoice(required=False)
    reason = forms.CharField(required=False)
    since = LocalMoment(required=False)
    until = LocalMoment(required=False)


class DeliverySearch(LetterSearch):
    """Which other rows."""

    state = forms.ChoiceField(choices=_OTHERS, required=False)


class RowAdmin(ButtonAdmin):
    """A list read by key, and a page of one row. Only the product writes these rows."""

    search_form: type[LetterSearch] = DeliverySearch
    list_template = "destinations/deliveries.html"
    change_form_template = "destinations/delivery.html"
    fields = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def state(self, chosen: dict[str, Any]) -> str | None:
        """Of which state the rows are that are listed; None: any."""
        return chosen.get("state") or None

    def buttons(self, request: HttpRequest, row: Delivery) -> list[Button]:
        return []

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = self.search_form(request.GET)
        form.is_valid()
        given = form.cleaned_data
        chosen = letters.Chosen(
            destination_id=given["destination"].pk if given.get("destination") else None,
            source_id=given["source"].pk if given.get("source") else None,
            state=self.state(given),
            reason=given.get("reason") or None,
            since=given.get("since"),
            until=given.get("until"),
        )
        before = request.GET.get(BEFORE, "")
        rows = letters.page(chosen, SHOWN_ROWS + 1, int(before) if before.isdecimal() and len(before) < 19 else None)
        shown = rows[:SHOWN_ROWS]
        around = trail(request, str(shown[-1].pk) if len(rows) > SHOWN_ROWS else None)
        context = {"title": self.opts.verbose_name_plural, "form": form, "rows": shown, "trail": around}
        return self.page(request, self.list_template, context | {"shown": len(shown)} | self.list_context(request))

    def list_context(self, request: HttpRequest) -> dict[str, Any]:
        """What else the list's template needs."""
        return {}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row: Delivery = kwargs["obj"]
        attempts = Attempt.objects.filter(connection=row.connection_id, xid=row.xid, position=row.position)
        place = f"{row.connection.source_id}-{row.lane}-{row.xid}-{row.position}"
        context |= {"row": row, "attempts": attempts.order_by("-id")[:SHOWN_ATTEMPTS], "place": place}
        if row.payload:
            context["payload"] = json.dumps(json.loads(row.payload), indent=2, ensure_ascii=False)
        return super().render_change_form(request, context, *args, **kwargs)


@admin.register(Delivery)
class DeliveryAdmin(RowAdmin):
    """Events that failed or wait behind one, and what became of them."""


@admin.register(DeadLetter)
class DeadLetterAdmin(RowAdmin):
    """Events that were given up, with payload, last request and last answer."""

    search_form = LetterSearch
    list_template = "destinations/dead_letters.html"

    def list_context(self, request: HttpRequest) -> dict[str, Any]:
        return {"may_pick": request.user.has_perm("destinations.add_replay")}

    def may_press(self, request: HttpRequest, row: Model) -> bool:
        return request.user.has_perm("destinations.add_replay")

    def buttons(self, request: HttpRequest, row: Delivery) -> list[Button]:
        return [Button("replay", "Replay", "replay", "primary")]

    def press(self, request: HttpRequest, row: Delivery, name: str) -> HttpResponse | None:
        return replay_letters(request, [(row.connection.destination_id, row.pk)])

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.replay_view)
        return [path("replay/", view, name="destinations_deadletter_replay"), *super().get_urls()]

    def replay_view(self, request: HttpRequest) -> HttpResponse:
        """Replay those that were ticked."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        picked = [int(pk) for pk in request.POST.getlist("picked") if pk.isdecimal() and len(pk) < 19]
        rows = self.get_queryset(request).filter(pk__in=picked[:SHOWN_ROWS])
        chosen = list(rows.values_list("connection__destination", "pk"))
        if not chosen:
            self.message_user(request, "None was ticked.", messages.WARNING)
        answer = replay_letters(request, chosen)
        return answer or HttpResponseRedirect(reverse("admin:destinations_deadletter_changelist"))

    def state(self, chosen: dict[str, Any]) -> str | None:
        return Delivery.State.ABORTED

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(state=Delivery.State.ABORTED)


@admin.register(Attempt)
class AttemptAdmin(KeysetAdmin):
    """Tries that failed, or that followed a failed one."""

    list_display = ("at", "connection", "shown_message_id", "status", "shown_outcome", "shown_error", "duration_ms")
    list_select_related = ("connection__source", "connection__destination")

    @admin.display(description="message id")
    def shown_message_id(self, row: Attempt) -> str:
        return shortened(row.message_id, 40)

    @admin.display(description="outcome")
    def shown_outcome(self, row: Attempt) -> str:
        return label(row.outcome)

    @admin.display(description="error")
    def shown_error(self, row: Attempt) -> str:
        return shortened(row.error)
