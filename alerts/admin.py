"""Admin of the mode's history and the living processes; other parts of the app keep pages of their own."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from alerts import recovery
from alerts.admin_mode import ModeAdmin as ModeAdmin
from alerts.channels.admin import ChannelAdmin as ChannelAdmin
from alerts.incidents.admin import IncidentAdmin as IncidentAdmin
from alerts.models import ModeChange, Process
from alerts.recovery.admin import CrashAdmin as CrashAdmin
from rudderproj.admin_keyset import KeysetAdmin
from rudderproj.admin_parts import ReadOnlyAdmin


@admin.register(ModeChange)
class ModeChangeAdmin(KeysetAdmin):
    """The history of the mode."""

    list_display = ("at", "from_mode", "to_mode", "actor", "reason")


@admin.register(Process)
class ProcessAdmin(ReadOnlyAdmin):
    """Which processes were seen, and when."""

    list_display = ("role", "node", "pid", "started_at", "last_seen_at", "restarts")
    ordering = ("role", "node")

    @admin.display(description="restarts")
    def restarts(self, row: Process) -> int:
        return self._restarts.get((row.role, row.node), 0)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Process]:
        self._restarts = {(found.role, found.node): found.recent for found in recovery.restarts()}
        return super().get_queryset(request)
