"""What every admin page says at the top while something is wrong with the service as a whole."""

from typing import Any

from django.http import HttpRequest

from alerts import modes
from alerts.models import Incident

SHOWN_INCIDENTS = 2


def context(request: HttpRequest) -> dict[str, Any]:
    """For django-unfold's GLOBAL_CALLBACK: a mode that is not normal or forced, and incidents.

    Incidents are for who may see them.
    """
    if not (request.user.is_active and request.user.is_staff):
        return {}
    mode = modes.current()
    found: dict[str, Any] = {} if mode.forwards and not mode.forced else {"service_mode": mode}
    if request.user.has_perm("alerts.view_incident"):
        rows = Incident.objects.filter(resolved_at=None).exclude(kind="degraded_mode").order_by("id")
        found["incidents"] = list(rows[: SHOWN_INCIDENTS + 1])
        found["more_incidents"] = len(found["incidents"]) > SHOWN_INCIDENTS
    return found
