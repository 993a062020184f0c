"""The form of a channel: what its provider needs, and what it wants to hear of.

Secrets are write-only: what is stored never reaches the browser, and an empty field keeps it.
"""

import re
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from alerts.incidents.kinds import KINDS, TEST
from alerts.models import Channel, Incident
from rudderproj.secrets_field import reason_unreadable

PREFIX = "config-"
STORED = "stored; empty keeps it"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


@dataclass(frozen=True, slots=True)
class Asked:
    """One key of a provider's configuration."""

    name: str
    label: str
    help: str = ""
    required: bool = True
    secret: bool = True


ASKED = {
    Channel.Provider.PAGERDUTY: (
        Asked("routing_key", "Integration key", "of a service's integration of the kind “Events API v2”"),
        Asked("url", "Address", "empty: PAGERDUTY_EVENTS_URL", required=False, secret=False),
    ),
    Channel.Provider.VICTOROPS: (
        Asked("api_key", "API key", "of the integration “REST - Generic”: what stands before the routing key"),
        Asked("routing_key", "Routing key", "of the team that is to hear of it"),
        Asked("url", "Address", "empty: VICTOROPS_URL", required=False, secret=False),
    ),
    Channel.Provider.APPRISE: (
        Asked("urls", "Apprise URLs", "one on each line: slack://…, mailtos://…, msteams://…, jsons://…"),
    ),
}


class ChannelForm(forms.ModelForm):  # type: ignore[type-arg]
    """Of one provider: made by form_for."""

    provider: str
    severities = forms.MultipleChoiceField(
        choices=Incident.Severity.choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="none ticked: all",
    )
    kinds = forms.MultipleChoiceField(
        choices=[(name, kind.title) for name, kind in KINDS.items() if name != TEST],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="none ticked: all",
    )

    class Meta:
        model = Channel
        fields = ("name", "enabled", "severities", "kinds")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        stored = stored_config(self.instance.pk)
        config: dict[str, Any] = {}
        for asked in ASKED[Channel.Provider(self.provider)]:
            value = cleaned.get(PREFIX + asked.name) or (stored.get(asked.name) if asked.secret else None)
            if value:
                config[asked.name] = value
        self.instance.provider, self.instance.config = self.provider, config
        return cleaned


class UrlsField(forms.CharField):
    """URLs, one on each line."""

    def clean(self, value: Any) -> Any:
        urls = str(super().clean(value)).split()
        for number, url in enumerate(urls, 1):
            if not _URL.fullmatch(url):
                raise ValidationError(f"line {number}: expected a URL, as slack://tokenA/tokenB/tokenC")
        return urls


def form_for(provider: str, row: Channel | None) -> type[ChannelForm]:
    """The form class for a new channel at this provider, or for an existing one."""
    stored = stored_config(row.pk if row else None)
    fields = {PREFIX + asked.name: _field(asked, stored.get(asked.name)) for asked in ASKED[Channel.Provider(provider)]}
    switch = forms.BooleanField(required=False, initial=True, widget=UnfoldBooleanSwitchWidget())
    return type("ChannelForm", (ChannelForm,), {**fields, "enabled": switch, "provider": provider})


def names(provider: str) -> list[str]:
    """The form's fields of the configuration."""
    return [PREFIX + asked.name for asked in ASKED[Channel.Provider(provider)]]


def stored_config(pk: int | None) -> dict[str, Any]:
    """The stored configuration, secrets and all; empty when there is none or it cannot be decrypted."""
    row = Channel.objects.filter(pk=pk).first() if pk else None
    return dict(row.config) if row and not reason_unreadable(row.config) else {}


def _field(asked: Asked, stored: Any) -> forms.Field:
    if asked.name == "urls":
        attrs = {"rows": 4, "placeholder": STORED if stored else "", "autocomplete": "off"}
        return UrlsField(
            label=asked.label,
            help_text=asked.help,
            required=not stored,
            widget=UnfoldAdminTextareaWidget(attrs),
        )
    if asked.secret:
        widget = UnfoldAdminPasswordWidget({"autocomplete": "new-password", "placeholder": STORED if stored else ""})
        return forms.CharField(label=asked.label, help_text=asked.help, required=not stored, widget=widget)
    return forms.URLField(
        label=asked.label,
        help_text=asked.help,
        required=asked.required,
        initial=stored,
        assume_scheme="https",
        widget=UnfoldAdminTextInputWidget(),
    )
