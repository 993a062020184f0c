"""Admin of channels: a form by provider, and a button that sends a real test notification.

What the environment sets up is shown and can be tried, and changed only there.
"""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse

from alerts.channels import trial
from alerts.channels.form import ChannelForm, form_for, names
from alerts.channels.sending import Address
from alerts.models import Channel, Notification
from alerts.notifications import bell
from rudderproj.admin_buttons import Button, ButtonAdmin
from rudderproj.admin_parts import label
from rudderproj.secrets_field import reason_unreadable

SHOWN_NOTIFICATIONS = 10
_ABOUT = {
    Channel.Provider.PAGERDUTY: "Opens and resolves PagerDuty incidents.",
    Channel.Provider.VICTOROPS: "Opens and resolves Splunk On-Call incidents.",
    Channel.Provider.APPRISE: "Slack, e-mail, Teams, a webhook, and whatever else Apprise knows.",
}


@admin.register(Channel)
class ChannelAdmin(ButtonAdmin):
    """Where notifications go."""

    form = ChannelForm
    change_form_outer_before_template = "alerts/channel.html"
    list_display = ("name", "provider", "shown_state", "wants", "from_environment")
    search_fields = ("name",)

    @admin.display(description="state")
    def shown_state(self, row: Channel) -> str:
        return label("enabled" if row.enabled else "disabled")

    @admin.display(description="hears of")
    def wants(self, row: Channel) -> str:
        parts = [", ".join(row.severities) or "every severity", ", ".join(row.kinds) or "every kind"]
        return "; ".join(parts).replace("_", " ")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).order_by("name")

    def get_form(
        self, request: HttpRequest, obj: Channel | None = None, change: bool = False, **kwargs: Any
    ) -> type[Any]:
        if not self.has_change_permission(request, obj):
            return super().get_form(request, obj, change, **kwargs)
        return super().get_form(request, obj, change, form=form_for(_provider(request, obj), obj), **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Channel | None = None) -> Any:
        if obj and not self.has_change_permission(request, obj):
            return [(None, {"fields": ["name", "enabled", "provider"]})]
        provider = _provider(request, obj)
        return [
            (None, {"fields": ["name", "enabled"]}),
            (Channel.Provider(provider).label, {"fields": names(provider)}),
            ("Hears of", {"fields": ["severities", "kinds"]}),
        ]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj and obj.from_environment)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = request.user.has_perm("alerts.delete_channel")
        return may and obj is not None and not obj.from_environment

    def may_press(self, request: HttpRequest, row: Model) -> bool:
        return request.user.has_perm("alerts.change_channel")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """First which provider, then its form."""
        if request.GET.get("provider") in Channel.Provider.values:
            return super().add_view(request, form_url, extra_context)
        providers = [(name.value, name.label, _ABOUT[name]) for name in Channel.Provider]
        return self.page(request, "alerts/providers.html", {"title": "New channel", "providers": providers})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row: Channel | None = kwargs.get("obj")
        if row is not None:
            sent = Notification.objects.filter(channel=row).select_related("incident").order_by("-id")
            context |= {
                "channel": row,
                "problem": reason_unreadable(row.config),
                "notifications": sent[:SHOWN_NOTIFICATIONS],
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if obj.try_again():
            bell.ring()

    def buttons(self, request: HttpRequest, row: Channel) -> list[Button]:
        return [Button("send-test", "Send test", "send", "primary")]

    def press(self, request: HttpRequest, row: Channel, name: str) -> HttpResponse | None:
        address = Address(row.pk, row.name, row.provider, row.config, reason_unreadable(row.config))
        answers = trial.send(address, request.user.get_username())
        self.log_change(request, row, "Sent a test.")
        context = {"title": f"Test of {row}", "channel": row, "answers": answers}
        return self.page(request, "alerts/test.html", context)


def _provider(request: HttpRequest, row: Channel | None) -> str:
    wanted = row.provider if row else request.GET.get("provider", "")
    return wanted if wanted in Channel.Provider.values else Channel.Provider.PAGERDUTY.value
