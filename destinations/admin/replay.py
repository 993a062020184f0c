"""Admin of replays: starting them, watching how far they have come, pausing, resuming and cancelling them."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from destinations.admin.search import DestinationChoice, LocalMoment, SourceChoice
from destinations.models import Replay
from destinations.replay import progress, steer
from destinations.replay.create import create, preview
from destinations.replay.selection import BadSelection, NothingToReplay, Selection
from rudderproj.admin_buttons import Button, ButtonAdmin
from rudderproj.admin_trail import BEFORE, trail

SHOWN_REPLAYS = 25
_ORIGINS = [(Replay.Origin.DEAD_LETTERS.value, "dead letters"), (Replay.Origin.LOG.value, "events of the log")]
_STEER = {"pause": steer.pause, "resume": steer.resume, "cancel": steer.cancel}
CANCEL_QUESTION = "What is left of it is not sent."


class ReplayForm(forms.Form):
    """What to send again, and how fast."""

    destination = DestinationChoice()
    origin = forms.ChoiceField(label="What", choices=_ORIGINS)
    source = SourceChoice(required=False)
    since = LocalMoment(required=False, help_text="UTC; of dead letters: when they were given up")
    until = LocalMoment(required=False, help_text="UTC, not included")
    event = forms.CharField(required=False, help_text="a track's event name, or the type of another call")
    user_key = forms.CharField(required=False, label="User")
    reason = forms.CharField(required=False, help_text="of dead letters, the whole reason")
    rate = forms.IntegerField(required=False, min_value=1, help_text="attempts a second; empty: no limit of its own")

    def selection(self) -> Selection:
        """What the form asks for."""
        given = self.cleaned_data
        return Selection(
            given["destination"].pk,
            origin=given["origin"],
            source_id=given["source"].pk if given["source"] else None,
            since=given["since"],
            until=given["until"],
            event=given["event"],
            user_key=given["user_key"],
            reason=given["reason"],
        )


@admin.register(Replay)
class ReplayAdmin(ButtonAdmin):
    """Replays, newest first."""

    change_form_template = "destinations/replay.html"
    fields = ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        before = request.GET.get(BEFORE, "")
        rows = progress.newest(SHOWN_REPLAYS + 1, int(before) if before.isdecimal() and len(before) < 19 else None)
        shown = [with_share(row) for row in rows[:SHOWN_REPLAYS]]
        around = trail(request, str(shown[-1]["id"]) if len(rows) > SHOWN_REPLAYS else None)
        context = {"title": "Replays", "rows": shown, "trail": around, "shown": len(shown)}
        return self.page(request, "destinations/replays.html", context | {"may_add": self.has_add_permission(request)})

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask what to send, say how much that is, start it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = ReplayForm(request.POST or None, initial={name: request.GET[name] for name in request.GET})
        context: dict[str, Any] = {"title": "New replay", "form": form}
        if form.is_valid():
            try:
                if "start" in request.POST:
                    made = create(form.selection(), request.user.get_username(), form.cleaned_data["rate"])
                    self.log_addition(request, made, "Started.")
                    return self.back(made)
                context["preview"] = preview(form.selection())
            except (BadSelection, NothingToReplay) as error:
                form.add_error(None, str(error))
        return self.page(request, "destinations/replay_add.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["row"] = with_share(progress.progress(kwargs["obj"].pk))
        return super().render_change_form(request, context, *args, **kwargs)

    def buttons(self, request: HttpRequest, row: Replay) -> list[Button]:
        cancel = Button("cancel", "Cancel", "cancel", "danger", CANCEL_QUESTION)
        if row.state == Replay.State.RUNNING:
            return [Button("pause", "Pause", "pause"), cancel]
        return [Button("resume", "Resume", "play_arrow"), cancel] if row.state == Replay.State.PAUSED else []

    def press(self, request: HttpRequest, row: Replay, name: str) -> HttpResponse | None:
        if _STEER[name](row.pk, request.user.get_username()):
            self.log_change(request, row, f"{name.capitalize()}.")
        return None


def with_share(row: dict[str, Any]) -> dict[str, Any]:
    """With how much of it is done, in percent, as far as that can be told."""
    done = row["total"] - row["pending"]
    return row | {"percent": 100 if not row["total"] else int(100 * done / row["total"])}


def replay_letters(request: HttpRequest, chosen: list[tuple[int, int]]) -> HttpResponse | None:
    """Replay dead letters, chosen as (destination, delivery): one replay a destination. None: none was started.

    Tells the user what came of it.
    """
    if not request.user.has_perm("destinations.add_replay"):
        raise PermissionDenied
    made: list[Replay] = []
    for destination_id in sorted({destination_id for destination_id, _ in chosen}):
        ids = tuple(pk for of, pk in chosen if of == destination_id)
        selection = Selection(destination_id, origin=Replay.Origin.DEAD_LETTERS, delivery_ids=ids)
        try:
            made.append(create(selection, request.user.get_username()))
        except (BadSelection, NothingToReplay) as error:
            messages.error(request, str(error))
    if len(made) == 1:
        return HttpResponseRedirect(reverse("admin:destinations_replay_change", args=[made[0].pk]))
    if made:
        messages.success(request, f"{len(made)} replays started, one for each destination.")
        return HttpResponseRedirect(reverse("admin:destinations_replay_changelist"))
    return None
