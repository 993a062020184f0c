"""Admin of destinations, connections and exceptional rows. Secrets are masked, also in forms."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from destinations import actions, registry
from destinations.apply.shape import read_event_filter, read_retry
from destinations.apply.wanted import InputError
from destinations.models import Attempt, Connection, Delivery, Destination, DestinationAction
from destinations.schema import MASK
from rudderproj.admin_parts import FastAdmin, ReadOnlyAdmin


class DestinationForm(forms.ModelForm):  # type: ignore[type-arg]
    """Configuration is shown masked; a mask that is left standing keeps the secret that is stored."""

    type = forms.ChoiceField(choices=[(name, registry.schema(name).display_name) for name in registry.types()])

    class Meta:
        model = Destination
        fields = ("name", "type", "enabled", "config", "rate_limit", "max_concurrency", "retry", "event_filter")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and self.instance.type in registry.types():
            self.initial["config"] = registry.schema(self.instance.type).mask(self.instance.config)

    def clean_retry(self) -> dict[str, Any]:
        return _read(read_retry, self.cleaned_data["retry"])

    def clean_event_filter(self) -> dict[str, Any]:
        return _read(read_event_filter, self.cleaned_data["event_filter"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "type" in cleaned and "config" in cleaned:
            schema = registry.schema(cleaned["type"])
            config = schema.unmask(cleaned["config"], self.stored_config())
            problems = [f"{path}: {problem}" if path else problem for path, problem in schema.validate(config)]
            if not problems and MASK in schema.secrets(config):
                problems = [f"{MASK} stands where no secret is stored: enter it again"]
            if problems:
                self.add_error("config", ValidationError(problems))
            else:
                cleaned["config"] = config
        return cleaned

    def stored_config(self) -> Any:
        """The stored configuration, secrets and all."""
        return Destination.objects.values_list("config", flat=True).filter(pk=self.instance.pk).first()


def _read(reader: Any, value: Any) -> dict[str, Any]:
    try:
        found: dict[str, Any] = reader(value)
    except InputError as error:
        raise ValidationError(error.problems) from None
    return found


class ConnectionInline(admin.TabularInline):  # type: ignore[type-arg]
    """The sources of a destination."""

    model = Connection
    fields = ("source", "enabled")
    extra = 0
    can_delete = False


@admin.register(Destination)
class DestinationAdmin(FastAdmin):
    """Destinations are switched off, not deleted: their lanes hold cursors. Paused ones keep their events pending."""

    form = DestinationForm
    list_display = ("name", "type", "enabled", "state", "breaker", "shown_config", "last_error")
    list_filter = ("enabled", "type", "health__state", "health__breaker")
    list_select_related = ("health",)
    search_fields = ("name",)
    inlines = (ConnectionInline,)
    actions = ("pause", "resume", "resume_and_skip")

    @admin.display(ordering="health__state")
    def state(self, row: Destination) -> str:
        return row.health.get_state_display()

    @admin.display(ordering="health__breaker")
    def breaker(self, row: Destination) -> str:
        return row.health.get_breaker_display()

    @admin.display(description="config")
    def shown_config(self, row: Destination) -> str:
        known = row.type in registry.types()
        return str(registry.schema(row.type).mask(row.config))[:200] if known else MASK

    @admin.display
    def last_error(self, row: Destination) -> str:
        return row.health.last_error[:200]

    @admin.action(description="Pause: keep events pending", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Destination]) -> None:
        changed = actions.pause(queryset.values_list("pk", flat=True), request.user.get_username())
        self.message_user(request, f"{changed} now paused")

    @admin.action(description="Resume, also when held: deliver what is owed", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Destination]) -> None:
        self._resume(request, queryset, skip=False)

    @admin.action(description="Resume, also when held: skip what is owed", permissions=["change"])
    def resume_and_skip(self, request: HttpRequest, queryset: QuerySet[Destination]) -> None:
        self._resume(request, queryset, skip=True)

    def _resume(self, request: HttpRequest, queryset: QuerySet[Destination], *, skip: bool) -> None:
        changed = actions.resume(queryset.values_list("pk", flat=True), request.user.get_username(), skip=skip)
        self.message_user(request, f"{changed} now ok")


@admin.register(Connection)
class ConnectionAdmin(FastAdmin):
    """Connections are switched off, not deleted."""

    list_display = ("__str__", "enabled", "created_at")
    list_filter = ("enabled", "source", "destination")
    list_select_related = ("source", "destination")
    readonly_fields = ("created_at",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("source", "destination", "created_at") if obj else ("created_at",)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """Failed, waiting and aborted events, and what became of them."""

    list_display = ("id", "connection", "state", "message_id", "user_key", "attempts", "next_attempt_at", "reason")
    list_filter = ("state", "connection__destination", "connection__source")
    list_select_related = ("connection__source", "connection__destination")
    search_fields = ("=message_id",)
    search_help_text = "a whole message id"
    ordering = ("-id",)


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    """Tries that failed, or that followed a failed one."""

    list_display = ("at", "connection", "message_id", "status", "outcome", "error", "duration_ms")
    list_filter = ("outcome", "connection__destination")
    list_select_related = ("connection__source", "connection__destination")
    search_fields = ("=message_id",)
    search_help_text = "a whole message id"
    ordering = ("-id",)


@admin.register(DestinationAction)
class DestinationActionAdmin(ReadOnlyAdmin):
    """Who paused and resumed which destination, when and why."""

    list_display = ("at", "destination", "action", "from_state", "actor", "reason")
    list_filter = ("action", "destination")
    list_select_related = ("destination",)
    exclude = ("snapshot", "lanes")
    ordering = ("-id",)
