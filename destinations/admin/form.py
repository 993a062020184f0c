"""The form of a destination: what its type's schema asks for, and how events are sent, as fields of their own."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from destinations import configure, registry
from destinations.admin import config_fields
from destinations.apply.shape import read_event_filter, read_retry
from destinations.apply.wanted import InputError
from destinations.models import Destination
from destinations.schema import Schema

RETRY = {
    "window_seconds": ("Give up after", "RETRY_WINDOW_SECONDS", "seconds, or 15m, 3h, 1d; and after so many attempts:"),
    "attempts": ("Attempts at least", "RETRY_ATTEMPTS", ""),
    "base_seconds": ("First delay", "RETRY_BASE_SECONDS", "doubles with each attempt"),
    "max_seconds": ("Longest delay", "RETRY_MAX_SECONDS", ""),
}
_FILTERS = {"": "all events", "allow": "only these track events", "deny": "all but these track events"}
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))


class DestinationForm(forms.ModelForm):  # type: ignore[type-arg]
    """Of one type, `schema`: made by form_for."""

    schema: Schema
    filter_mode = forms.ChoiceField(
        label="Send", choices=list(_FILTERS.items()), required=False, widget=UnfoldAdminSelectWidget()
    )
    filter_names = forms.CharField(
        label="Event names", required=False, widget=UnfoldAdminTextareaWidget({"rows": 3}), help_text="one on each line"
    )

    class Meta:
        model = Destination
        fields = ("name", "enabled", "rate_limit", "max_concurrency")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.instance.event_filter
        self.initial["filter_mode"] = next(iter(chosen), "")
        self.initial["filter_names"] = "\n".join(next(iter(chosen.values()), []))
        for key, value in self.instance.retry.items():
            self.initial[f"retry-{key}"] = value if key == "attempts" else short_time(value)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        self._take("retry", lambda: read_retry(self._retry(cleaned)))
        self._take("event_filter", lambda: read_event_filter(_event_filter(cleaned)))
        if not any(name.startswith(config_fields.PREFIX) for name in self.errors):
            self._take_config(cleaned)
        return cleaned

    def _retry(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key in RETRY if (value := cleaned.get(f"retry-{key}")) not in (None, "")}

    def _take(self, name: str, read: Any) -> None:
        """Set a column from what a reader of `manage.py apply` makes of it, or show what is wrong at its field."""
        try:
            setattr(self.instance, name, read())
        except InputError as error:
            for problem in error.problems:
                field = next((key for key in RETRY if key in problem), "window_seconds")
                self.add_error(f"retry-{field}" if name == "retry" else "filter_names", problem)

    def _take_config(self, cleaned: dict[str, Any]) -> None:
        stored = stored_config(self.instance.pk)
        shown = config_fields.config(self.schema, cleaned, stored)
        config, problems = configure.checked(self.schema.type, shown, stored)
        for path, problem in problems:
            field = config_fields.field_of(path)
            error = ValidationError(f"{path}: {problem}" if path else problem)
            self.add_error(field if field in self.fields else None, error)
        self.instance.type, self.instance.config = self.schema.type, config


def form_for(type_name: str, row: Destination | None) -> type[DestinationForm]:
    """The form class for a new destination of this type, or for an existing one. Raises UnknownTypeError."""
    schema = registry.schema(type_name)
    fields: dict[str, Any] = config_fields.fields(schema, stored_config(row.pk) if row else {})
    for key, (label, setting, hint) in RETRY.items():
        default = settings.ENV[setting]
        shown = str(default) if key == "attempts" else short_time(default)
        field = forms.IntegerField if key == "attempts" else forms.CharField
        fields[f"retry-{key}"] = field(
            label=label,
            required=False,
            help_text=hint,
            widget=UnfoldAdminTextInputWidget({"placeholder": f"{shown}, the default"}),
        )
    return type("DestinationForm", (DestinationForm,), fields | {"schema": schema})


def fieldsets(type_name: str, row: Destination | None) -> list[tuple[str | None, dict[str, Any]]]:
    """The form's parts, in order."""
    schema = registry.schema(type_name)
    config = list(config_fields.fields(schema, stored_config(row.pk) if row else {}))
    retry = [f"retry-{key}" for key in RETRY]
    return [
        (None, {"fields": ["name", "enabled"]}),
        (f"{schema.display_name}", {"fields": config, "description": schema.root.get("description", "")}),
        ("Rate", {"fields": [("rate_limit", "max_concurrency")]}),
        ("Retry", {"fields": [tuple(retry[:2]), tuple(retry[2:])]}),
        ("Event filter", {"fields": ["filter_mode", "filter_names"]}),
    ]


def stored_config(pk: int | None) -> dict[str, Any]:
    """The stored configuration, secrets and all; empty when there is none or it cannot be decrypted."""
    row = Destination.objects.filter(pk=pk).first() if pk else None
    return dict(row.config) if row and not row.config_problem else {}


def short_time(seconds: float) -> str:
    """10800 -> 3h, as `manage.py apply` reads it."""
    for size, unit in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def _event_filter(cleaned: dict[str, Any]) -> dict[str, Any]:
    mode, names = cleaned.get("filter_mode"), cleaned.get("filter_names", "").splitlines()
    return {mode: [name for name in names if name.strip()]} if mode else {}
