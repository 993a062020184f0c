"""What upkeep does for alerts: old history, and processes that are gone."""

from django.conf import settings

from alerts.recovery import keeping, telling
from rudderproj import upkeep
from rudderproj.pruning import Pruning, days

GONE_SECONDS = days(1)
# What is still to be said goes on being tried as long as its incident is kept.
_OF_ENDED = "incident_id IN (SELECT id FROM alerts_incident WHERE resolved_at IS NOT NULL)"
_WITHOUT_NOTIFICATIONS = "id NOT IN (SELECT incident_id FROM alerts_notification)"


def register() -> None:
    """Called once, when the app is ready."""
    history = Pruning("alerts_modechange", "at", days(settings.ENV["RETENTION_HISTORY_DAYS"]))
    upkeep.register(history.chore("mode_changes_pruned"))
    keep = days(settings.ENV["RETENTION_HISTORY_DAYS"])
    notifications = Pruning("alerts_notification", "created_at", keep, _OF_ENDED)
    upkeep.register(notifications.chore("notifications_pruned"))
    incidents = Pruning("alerts_incident", "resolved_at", keep, _WITHOUT_NOTIFICATIONS)
    upkeep.register(incidents.chore("incidents_pruned"))
    upkeep.register(keeping.chore())
    if settings.ENV["SENTRY_DSN"]:
        upkeep.register(telling.chore())
    # A pod's name never comes back. Of who was killed with its whole machine nobody notes an end.
    upkeep.register(Pruning("alerts_life", "started_at", keep).chore("lives_pruned"))
    upkeep.register(Pruning("alerts_process", "last_seen_at", GONE_SECONDS).chore("processes_pruned"))
