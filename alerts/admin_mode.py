"""Admin of the mode: how it is, and the buttons that change it, which ask why."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse

from alerts import modes
from alerts.models import Mode
from rudderproj.admin_buttons import Button, ButtonAdmin
from rudderproj.admin_parts import label

_BUTTONS = {
    modes.NORMAL: Button(modes.NORMAL, "Forward again", "play_arrow", "primary", ask=True),
    modes.DEGRADED: Button(modes.DEGRADED, "Stop forwarding", "pause", "danger", ask=True),
}
_KEEP = Button(modes.DEGRADED, "Keep forwarding stopped", "lock", "danger", ask=True)


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(max_length=1000, widget=forms.TextInput(attrs={"size": 60, "autofocus": True}))


@admin.register(Mode)
class ModeAdmin(ButtonAdmin):
    """The one row. It is changed the way every change of mode goes, with its history."""

    list_display = ("shown_mode", "since", "actor", "reason")
    fields = readonly_fields = ("shown_mode", "since", "actor", "reason", "probation_until", "forced")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="mode")
    def shown_mode(self, row: Mode) -> str:
        return label(row.mode)

    @admin.display(description="forced by RSERVER_MODE")
    def forced(self, row: Mode) -> str:
        return modes.forced() or "no"

    def buttons(self, request: HttpRequest, row: Mode) -> list[Button]:
        found = [button for mode, button in _BUTTONS.items() if mode != row.mode]
        return [*found, _KEEP] if (row.mode, row.actor) == (modes.DEGRADED, modes.RECOVERY) else found

    def press(self, request: HttpRequest, row: Mode, name: str) -> HttpResponse | None:
        form = ReasonForm(request.POST or None)
        if not form.is_valid():
            button = next(button for button in self.buttons(request, row) if button.name == name)
            context = {"title": button.title, "mode": name, "row": row, "form": form}
            return self.page(request, "alerts/mode_reason.html", context)
        reason = form.cleaned_data["reason"]
        actor = request.user.get_username()
        if former := modes.set_mode(name, reason, actor):
            self.log_change(request, row, f"{name}: {reason}")
        if former == name:
            self.message_user(request, f"{name} already; now by {actor}")
        if note := modes.without_effect():
            self.message_user(request, note, messages.WARNING)
        return None
