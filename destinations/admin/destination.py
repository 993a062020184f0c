"""Admin of destinations: their form, how they are doing, and what an operator does to them."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from destinations import actions, history, registry, trial
from destinations.admin.form import DestinationForm, fieldsets, form_for
from destinations.doorbell import BROKER_AWAY
from destinations.figures import age
from destinations.history import Figures
from destinations.models import Connection, Destination, Health, Suspect, Trial
from rudderproj.admin_buttons import Button, ButtonAdmin
from rudderproj.admin_parts import TabularInline, label, shortened

SKIP_QUESTION = "What was accepted until now and is still owed will never be sent to this destination."
SHOWN_TRIALS = 5


class ConnectionInline(TabularInline):  # type: ignore[type-arg]
    """The sources of a destination."""

    model = Connection
    fields = ("source", "enabled")
    can_delete = False

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return 0 if obj else 1


@admin.register(Destination)
class DestinationAdmin(ButtonAdmin):
    """Destinations are switched off, not deleted: their lanes hold cursors. Paused ones keep their events pending."""

    form = DestinationForm
    change_form_outer_before_template = "destinations/destination.html"
    list_display = ("name", "shown_type", "shown_state", "shown_breaker", "shown_pending", "oldest", "last_error")
    list_filter = ("enabled", ("health__state", ChoicesDropdownFilter), ("health__breaker", ChoicesDropdownFilter))
    list_select_related = ("health",)
    search_fields = ("name",)
    inlines = (ConnectionInline,)
    actions = ("pause", "resume")  # to skip is asked of each by itself

    @admin.display(description="type", ordering="type")
    def shown_type(self, row: Destination) -> str:
        return registry.schema(row.type).display_name if row.type in registry.types() else row.type

    @admin.display(description="state", ordering="health__state")
    def shown_state(self, row: Destination) -> str:
        return label(row.health.state) if row.enabled else label("disabled")

    @admin.display(description="breaker", ordering="health__breaker")
    def shown_breaker(self, row: Destination) -> str:
        return label(row.health.breaker)

    @admin.display(description="owed")
    def shown_pending(self, row: Destination) -> str:
        figures: Figures | None = getattr(row, "figures", None)
        return f"{figures.pending + figures.failed + figures.waiting:,}" if figures else "–"

    @admin.display(description="oldest")
    def oldest(self, row: Destination) -> str:
        figures: Figures | None = getattr(row, "figures", None)
        return age(figures.oldest_age_seconds) if figures else "–"

    @admin.display
    def last_error(self, row: Destination) -> str:
        return shortened(row.health.last_error)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The figures of the shown rows come from the last sample: nothing is counted for a list."""
        found = super().get_changelist_instance(request)
        snapshot = history.latest()
        figures = snapshot.by_destination() if snapshot else {}
        rows = list(found.result_list)
        for row in rows:
            row.figures = figures.get(row.pk)
        found.result_list = rows
        return found

    def get_form(
        self, request: HttpRequest, obj: Destination | None = None, change: bool = False, **kwargs: Any
    ) -> type[Any]:
        return super().get_form(request, obj, change, form=form_for(self._type(request, obj), obj), **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Destination | None = None) -> Any:
        return fieldsets(self._type(request, obj), obj)

    def _type(self, request: HttpRequest, row: Destination | None) -> str:
        if row:
            if row.type not in registry.types():
                raise Http404
            return row.type
        wanted = request.GET.get("type", "")
        return wanted if wanted in registry.types() else registry.types()[0]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """First which type, then its form."""
        if request.GET.get("type") in registry.types():
            return super().add_view(request, form_url, extra_context)
        types = [registry.schema(name) for name in registry.types()]
        return self.page(request, "destinations/types.html", {"title": "New destination", "types": types})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row: Destination | None = kwargs.get("obj")
        if row is not None:
            snapshot = history.latest()
            context |= {
                "destination": row,
                "type": registry.schema(row.type),
                "figures": snapshot.by_destination().get(row.pk) if snapshot else None,
                "figures_at": snapshot and snapshot.at,
                "trials": Trial.objects.filter(destination=row).order_by("-id")[:SHOWN_TRIALS],
                "suspects": Suspect.objects.filter(destination=row, state=Suspect.State.OPEN).count(),
                "done": row.destinationaction_set.order_by("-id").first(),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def buttons(self, request: HttpRequest, row: Destination) -> list[Button]:
        test = Button("send-test", "Send test event", "send", "primary")
        if row.health.state == Health.State.OK:
            return [test, Button("pause", "Pause", "pause")]
        skip = Button("resume-and-skip", "Resume, skip what waited", "skip_next", "danger", SKIP_QUESTION)
        return [test, Button("resume", "Resume, deliver what waited", "play_arrow"), skip]

    def press(self, request: HttpRequest, row: Destination, name: str) -> HttpResponse | None:
        actor = request.user.get_username()
        if name == "send-test":
            return self._send_test(request, row)
        if name == "pause":
            changed = actions.pause([row.pk], actor)
        else:
            changed = actions.resume([row.pk], actor, skip=name == "resume-and-skip")
        if changed:
            self.log_change(request, row, name.replace("-", " ").capitalize() + ".")
            self.message_user(request, f"{row} is {'paused' if name == 'pause' else 'sending again'}.")
        return None

    def _send_test(self, request: HttpRequest, row: Destination) -> HttpResponse | None:
        try:
            made = trial.ask(row, request.user.get_username())
        except BROKER_AWAY:
            self.message_user(request, "The broker is away: no worker could be asked.", messages.ERROR)
            return None
        self.log_change(request, row, "Sent a test event.")
        return HttpResponseRedirect(reverse("admin:destinations_destination_trial", args=[row.pk, made.pk]))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.trial_view)
        own = path("<int:row_id>/trial/<int:trial_id>/", view, name="destinations_destination_trial")
        return [own, *super().get_urls()]

    def trial_view(self, request: HttpRequest, row_id: int, trial_id: int) -> HttpResponse:
        """A test event; asked by htmx, only the part that changes."""
        found = Trial.objects.select_related("destination").filter(pk=trial_id, destination=row_id).first()
        if found is None or not self.has_view_permission(request, found.destination):
            raise Http404
        context = {"title": f"Test event to {found.destination}", "trial": found, "destination": found.destination}
        if "HX-Request" in request.headers:
            return TemplateResponse(request, "destinations/trial_answer.html", context)
        return self.page(request, "destinations/trial.html", context)

    @admin.action(description="Pause: keep events pending", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Destination]) -> None:
        changed = actions.pause(queryset.values_list("pk", flat=True), request.user.get_username())
        self.message_user(request, f"{changed} now paused")

    @admin.action(description="Resume, also when held: deliver what is owed", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Destination]) -> None:
        changed = actions.resume(queryset.values_list("pk", flat=True), request.user.get_username(), skip=False)
        self.message_user(request, f"{changed} now ok")
