"""How the admin looks and what its navigation holds: django-unfold's settings.

Must name nothing outside this deployment: pages are used where there is no internet.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy

_BLUE = {
    "50": "oklch(97% .014 254.604)",
    "100": "oklch(93.2% .032 255.585)",
    "200": "oklch(88.2% .059 254.128)",
    "300": "oklch(80.9% .105 251.813)",
    "400": "oklch(70.7% .165 254.624)",
    "500": "oklch(62.3% .214 259.815)",
    "600": "oklch(54.6% .245 262.881)",
    "700": "oklch(48.8% .243 264.376)",
    "800": "oklch(42.4% .199 265.638)",
    "900": "oklch(37.9% .146 265.522)",
    "950": "oklch(28.2% .091 267.935)",
}


def _may_view(model: str) -> Callable[[HttpRequest], bool]:
    app, name = model.split(".")
    return lambda request: request.user.has_perm(f"{app}.view_{name}")


def _item(title: str, icon: str, model: str) -> dict[str, Any]:
    """A link to a model's list, for those who may see it."""
    link = reverse_lazy(f"admin:{model.replace('.', '_')}_changelist")
    return {"title": title, "icon": icon, "link": link, "permission": _may_view(model)}


def _asset(name: str) -> Callable[[HttpRequest], str]:
    return lambda _request: static(f"rudderproj/{name}")


def environment(_request: HttpRequest) -> list[str] | None:
    """The deployment's name beside every page's title: red for production, so that nobody mistakes it."""
    name: str = settings.ENV["ENVIRONMENT_NAME"]
    return [name, "danger" if name.lower().startswith("prod") else "info"] if name else None


NAVIGATION = [
    {"items": [{"title": "Dashboard", "icon": "monitoring", "link": reverse_lazy("admin:index")}]},
    {
        "title": "Events",
        "items": [
            _item("Events", "list_alt", "ingest.loggedevent"),
            _item("Rejected events", "block", "ingest.rejectedevent"),
        ],
    },
    {
        "title": "Pipeline",
        "items": [
            _item("Sources", "sensors", "ingest.source"),
            _item("Destinations", "outbox", "destinations.destination"),
            _item("Connections", "alt_route", "destinations.connection"),
        ],
    },
    {
        "title": "Deliveries",
        "items": [
            _item("Dead letters", "mail_off", "destinations.deadletter"),
            _item("Replays", "replay", "destinations.replay"),
            _item("Failed and waiting", "pending_actions", "destinations.delivery"),
            _item("Attempts", "history", "destinations.attempt"),
        ],
    },
    {
        "title": "Operation",
        "items": [
            _item("Incidents", "notifications_active", "alerts.incident"),
            _item("Channels", "campaign", "alerts.channel"),
            _item("Mode", "toggle_on", "alerts.mode"),
            _item("Mode history", "manage_history", "alerts.modechange"),
            _item("Crash reports", "crisis_alert", "alerts.crash"),
            _item("Suspects", "person_search", "destinations.suspect"),
            _item("Operators' actions", "assignment_ind", "destinations.destinationaction"),
            _item("Processes", "memory", "alerts.process"),
        ],
    },
    {
        "title": "Access",
        "items": [
            _item("Users", "person", "auth.user"),
            _item("Groups", "group", "auth.group"),
            _item("API tokens", "key", "api.apitoken"),
        ],
    },
]

UNFOLD = {
    "SITE_TITLE": "rudderproj",
    "SITE_HEADER": "rudderproj",
    "SITE_ICON": _asset("icon.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _asset("icon.svg")}],
    "SITE_URL": None,
    "STYLES": [_asset("admin.css")],
    "COLORS": {"primary": _BLUE},
    "ENVIRONMENT": "rudderproj.admin_theme.environment",
    "LOGIN": {"form": "rudderproj.logins.forms.LoginForm"},
    "GLOBAL_CALLBACK": "alerts.banner.context",
    "DASHBOARD_CALLBACK": "destinations.admin.dashboard.context",
    "SIDEBAR": {"navigation": NAVIGATION},
}
