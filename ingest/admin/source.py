"""Admin of sources. Write keys are hidden; who asked to see one is kept."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from ingest import retiring
from ingest.keys import end_previous, new_write_key, rotate
from ingest.models import Source, WriteKey
from rudderproj.admin_buttons import Button, ButtonAdmin
from rudderproj.admin_parts import label

_LONG_ENOUGH = 16  # of a shorter key the last letters would tell too much
_VALID_FOR = {"0": "not at all", "1": "an hour", "24": "a day", "168": "a week", "720": "30 days"}  # by hours
_RETIRING = (
    "Its apps are told to stop for good: mobile SDKs delete the events that they have stored, and taking the source "
    "back does not bring them back. To refuse events for a while, disable it instead."
)


class SourceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A key may be given when a source is made; later it is changed by rotating it."""

    class Meta:
        model = Source
        fields = ("name", "write_key", "enabled", "rate_limit", "user_key")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "write_key" in self.fields:
            self.fields["write_key"].required = False
            self.fields["write_key"].help_text = "Leave it empty for a new one that nobody can guess."

    def clean_write_key(self) -> str:
        key: str = self.cleaned_data["write_key"] or new_write_key()
        if WriteKey.objects.filter(key=key).exists():
            raise forms.ValidationError("Another source has this key, or had it until a short while ago.")
        return key


class RotateForm(forms.Form):
    """How long the present key stays valid. `seen` tells which key that was: pressed twice, it changes once."""

    seen = forms.CharField(widget=forms.HiddenInput)
    valid_for = forms.ChoiceField(choices=list(_VALID_FOR.items()), initial="168")


def _previous_until(row: Source) -> datetime | None:
    """Until when the previous key is accepted; None when there is none any more."""
    until = row.previous_key_valid_until
    return until if until and until > timezone.now() else None


@admin.register(Source)
class SourceAdmin(ButtonAdmin):
    """Sources are switched off, not deleted: their events are still owed."""

    form = SourceForm
    list_display = ("name", "shown_state", "rate_limit", "user_key", "shown_previous_key", "created_at")
    list_filter = ("enabled",)
    search_fields = ("name",)

    def get_fields(self, request: HttpRequest, obj: Source | None = None) -> list[Any]:
        keys = ["hidden_key", "shown_previous_key"] if obj else ["write_key"]
        return ["name", *keys, "enabled", "rate_limit", "user_key", *(["created_at"] if obj else [])]

    def get_readonly_fields(self, request: HttpRequest, obj: Source | None = None) -> list[str]:
        return ["hidden_key", "shown_previous_key", "created_at"] if obj else []

    @admin.display(description="state")
    def shown_state(self, row: Source) -> str:
        return label(row.state)

    @admin.display(description="write key")
    def hidden_key(self, row: Source) -> str:
        return "•" * 12 + (row.write_key[-4:] if len(row.write_key) >= _LONG_ENOUGH else "")

    @admin.display(description="previous key", empty_value="–")
    def shown_previous_key(self, row: Source) -> str | None:
        until = _previous_until(row)
        return f"accepted until {until:%Y-%m-%d %H:%M} UTC" if until else None

    def buttons(self, request: HttpRequest, row: Source) -> list[Button]:
        found = [
            Button("show-key", "Show write key", "visibility"),
            Button("rotate-key", "Rotate write key", "autorenew", ask=True),
        ]
        if _previous_until(row):
            question = "Clients that still use the previous key will be refused."
            found.append(Button("end-previous", "End previous key now", "key_off", "danger", question))
        if row.retired_at:
            found.append(Button("restore", "Take back", "restore_from_trash"))
        else:
            found.append(Button("retire", "Retire", "delete_forever", "danger", _RETIRING))
        return found

    def press(self, request: HttpRequest, row: Source, name: str) -> HttpResponse | None:
        if name == "rotate-key":
            return self._rotate(request, row)
        if name == "show-key":
            return self._show_key(request, row, "Saw the write key.")
        actor = request.user.get_username()
        done = {
            "end-previous": (end_previous, "Ended the previous write key."),
            "retire": (retiring.retire, "Retired."),
            "restore": (retiring.restore, "Taken back."),
        }
        act, note = done[name]
        if act(row.pk, actor):
            self.log_change(request, row, note)
        return None

    def _show_key(self, request: HttpRequest, row: Source, note: str) -> HttpResponse:
        self.log_change(request, row, note)
        context = {"title": row.name, "source": row, "address": f"{request.scheme}://{request.get_host()}"}
        return self.page(request, "ingest/write_key.html", context)

    def _rotate(self, request: HttpRequest, row: Source) -> HttpResponse | None:
        seen = salted_hmac("ingest.rotate", row.write_key).hexdigest()
        form = RotateForm(request.POST or None, initial={"seen": seen})
        if not form.is_valid():
            return self.page(
                request,
                "ingest/rotate.html",
                {"title": row.name, "source": row, "form": form, "previous_until": _previous_until(row)},
            )
        valid_for = timedelta(hours=int(form.cleaned_data["valid_for"]))
        actor = request.user.get_username()
        if form.cleaned_data["seen"] != seen or rotate(row.pk, row.write_key, valid_for, actor) is None:
            self.message_user(request, "Somebody else has just changed the key.", messages.WARNING)
            return None
        row.refresh_from_db()
        return self._show_key(request, row, f"Changed the write key and saw the new one; {valid_for} for the old one.")
