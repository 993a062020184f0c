"""Fields of the search forms above long lists."""

from typing import Any

from django import forms

from destinations.models import Destination
from ingest.models import Source


class SourceChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    """One of the sources, or all."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Source.objects.order_by("name"), empty_label="all sources", **kwargs)


class DestinationChoice(forms.ModelChoiceField):  # type: ignore[type-arg]
    """One of the destinations, or all. Configurations are not read for it."""

    def __init__(self, **kwargs: Any) -> None:
        rows = Destination.objects.defer("config").order_by("name")
        super().__init__(rows, empty_label="all destinations", **kwargs)


class LocalMoment(forms.DateTimeField):
    """A moment, in UTC, as browsers enter it."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateTimeInput({"type": "datetime-local", "step": 1}, format="%Y-%m-%dT%H:%M:%S")
        super().__init__(widget=widget, **kwargs)
