"""What upkeep does for alerts: old history, and processes that are gone."""

from django.conf import settings

from rudderproj import upkeep
from rudderproj.pruning import Pruning, days

GONE_SECONDS = days(1)


def register() -> None:
    """Called once, when the app is ready."""
    history = Pruning("alerts_modechange", "at", days(settings.ENV["RETENTION_HISTORY_DAYS"]))
    upkeep.register(history.chore("mode_changes_pruned"))
    upkeep.register(Pruning("alerts_process", "last_seen_at", GONE_SECONDS).chore("processes_pruned"))
