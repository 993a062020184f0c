"""Admin of destinations. Secrets are masked, also in forms."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from destinations import actions, configure, registry
from destinations.apply.shape import read_event_filter, read_retry
from destinations.apply.wanted import InputError
from destinations.models import Connection, Destination
from rudderproj.admin_parts import FastAdmin, TabularInline, label, shortened


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
        if problem := self.instance.config_problem:
            self.fields[
                "config"
            ].help_text = f"What is stored cannot be read: {problem}. Enter it again, or set the key."

    def clean_retry(self) -> dict[str, Any]:
        return _read(read_retry, self.cleaned_data["retry"])

    def clean_event_filter(self) -> dict[str, Any]:
        return _read(read_event_filter, self.cleaned_data["event_filter"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "type" in cleaned and "config" in cleaned:
            config, problems = configure.checked(cleaned["type"], cleaned["config"], self.stored_config())
            if problems:
                told = [f"{path}: {problem}" if path else problem for path, problem in problems]
                self.add_error("config", ValidationError(told))
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


class ConnectionInline(TabularInline):  # type: ignore[type-arg]
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
        return label(row.health.state)

    @admin.display(ordering="health__breaker")
    def breaker(self, row: Destination) -> str:
        return label(row.health.breaker)

    @admin.display(description="config")
    def shown_config(self, row: Destination) -> str:
        if row.config_problem:
            return f"cannot be read: {row.config_problem}"
        return str(configure.masked(row.type, row.config))[:200]

    @admin.display
    def last_error(self, row: Destination) -> str:
        return shortened(row.health.last_error)

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
