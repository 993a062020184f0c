"""What metrics tell of alerts: the open incidents, and what channels have not accepted yet."""

from collections.abc import Mapping

from django.db.models import Count, Q

from alerts.incidents.kinds import KINDS
from alerts.models import Channel, Incident
from rudderproj import metrics
from rudderproj.metrics import Definition, Rows

INCIDENTS, PENDING, REFUSED = "open_incidents", "pending_notifications", "refused_notifications"
DEFINITIONS = (
    Definition(f"rudderproj_{INCIDENTS}", "gauge", "incidents that are open", ("kind",)),
    Definition(f"rudderproj_{PENDING}", "gauge", "notifications that a channel has not accepted yet", ("channel",)),
    Definition(f"rudderproj_{REFUSED}", "gauge", "those of them that were tried in vain", ("channel",)),
)


def register() -> None:
    """Have the web process tell these. Called once, when the app is ready."""
    metrics.figures.add(DEFINITIONS, read)


def read() -> Mapping[str, Rows]:
    """Rows of (label values, value) by name of the metric; kinds of which none is open too. Raises DatabaseError."""
    open_now = Incident.objects.filter(resolved_at=None).values_list("kind").annotate(n=Count("id")).order_by()
    kinds = dict.fromkeys(KINDS, 0) | dict(open_now)
    due = Q(notification__next_attempt_at__isnull=False)
    channels = Channel.objects.annotate(
        pending=Count("notification", filter=due),
        refused=Count("notification", filter=due & ~Q(notification__last_error="")),
    ).values_list("name", "pending", "refused")
    return {
        f"rudderproj_{INCIDENTS}": [((kind,), float(number)) for kind, number in sorted(kinds.items())],
        f"rudderproj_{PENDING}": [((name,), float(pending)) for name, pending, _ in channels],
        f"rudderproj_{REFUSED}": [((name,), float(refused)) for name, _, refused in channels],
    }
