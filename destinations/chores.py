"""What upkeep does for destinations: finished rows and attempts are kept for a while only."""

from django.conf import settings

from destinations import retention
from rudderproj import upkeep
from rudderproj.pruning import Pruning, days

# A replay of dead letters sends their copies: they stay until it has ended.
_REPLAYED = "EXISTS (SELECT FROM destinations_replay r WHERE r.counts IS NULL AND r.origin = 'dead_letters')"


def register() -> None:
    """Called once, when the app is ready."""
    retention.register()
    env = settings.ENV
    finished = days(env["RETENTION_DELIVERY_DAYS"])
    upkeep.register(_rows(finished, "state IN ('delivered', 'skipped')").chore("finished_deliveries_pruned"))
    letters = _rows(days(env["RETENTION_DEAD_LETTER_DAYS"]), f"state = 'aborted' AND NOT {_REPLAYED}")
    upkeep.register(letters.chore("dead_letters_pruned"))
    skips = Pruning("destinations_retentionskip", "at", days(env["RETENTION_HISTORY_DAYS"]))
    upkeep.register(skips.chore("retention_skips_pruned"))
    attempts = Pruning("destinations_attempt", "at", days(env["RETENTION_ATTEMPT_DAYS"]))
    upkeep.register(attempts.chore("attempts_pruned"))


def _rows(seconds: float, condition: str) -> Pruning:
    return Pruning("destinations_delivery", "updated_at", seconds, condition)
