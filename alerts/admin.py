"""Admin of the mode, its history and the living processes."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from alerts import modes
from alerts.channels.admin import ChannelAdmin as ChannelAdmin
from alerts.incidents.admin import IncidentAdmin as IncidentAdmin
from alerts.models import Mode, ModeChange, Process
from alerts.recovery.admin import CrashAdmin as CrashAdmin
from rudderproj.admin_keyset import KeysetAdmin
from rudderproj.admin_parts import FastAdmin, ReadOnlyAdmin, label


@admin.register(Mode)
class ModeAdmin(FastAdmin):
    """The one row. Saving it goes the way every change of mode goes, with its history."""

    list_display = ("shown_mode", "since", "actor", "reason")
    fields = ("mode", "reason", "since", "actor")
    readonly_fields = ("since", "actor")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="mode")
    def shown_mode(self, row: Mode) -> str:
        return label(row.mode)

    def save_model(self, request: HttpRequest, obj: Mode, form: Any, change: bool) -> None:
        if not modes.set_mode(obj.mode, obj.reason.strip(), request.user.get_username()):
            self.message_user(request, f"The mode was {obj.mode} already; nothing was changed.", messages.WARNING)


@admin.register(ModeChange)
class ModeChangeAdmin(KeysetAdmin):
    """The history of the mode."""

    list_display = ("at", "from_mode", "to_mode", "actor", "reason")


@admin.register(Process)
class ProcessAdmin(ReadOnlyAdmin):
    """Which processes were seen, and when."""

    list_display = ("role", "node", "pid", "started_at", "last_seen_at", "restarts")
    ordering = ("role", "node")
