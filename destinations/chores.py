"""What upkeep does for destinations: finished rows and attempts are kept for a while only."""

from django.conf import settings

from destinations import retention
from destinations.suspects import telling
from rudderproj import upkeep
from rudderproj.pruning import Pruning, days

# A replay of dead letters sends their copies: they stay until it has ended.
_REPLAYED = "EXISTS (SELECT FROM destinations_replay r WHERE r.counts IS NULL AND r.origin = 'dead_letters')"
# Of a replay the actions go first, once it has ended; few, so that they need no index.
_OF_ENDED = "replay_id IN (SELECT id FROM destinations_replay WHERE counts IS NOT NULL AND ended_at IS NOT NULL)"
_WITHOUT_ACTIONS = "counts IS NOT NULL AND id NOT IN (SELECT replay_id FROM destinations_replayaction)"


def register() -> None:
    """Called once, when the app is ready."""
    retention.register()
    env = settings.ENV
    finished = days(env["RETENTION_DELIVERY_DAYS"])
    upkeep.register(_rows(finished, "state IN ('delivered', 'skipped')").chore("finished_deliveries_pruned"))
    letters = _rows(days(env["RETENTION_DEAD_LETTER_DAYS"]), f"state = 'aborted' AND NOT {_REPLAYED}")
    upkeep.register(letters.chore("dead_letters_pruned"))
    history = days(env["RETENTION_HISTORY_DAYS"])
    skips = Pruning("destinations_retentionskip", "at", history)
    upkeep.register(skips.chore("retention_skips_pruned"))
    upkeep.register(Pruning("destinations_replayaction", "at", history, _OF_ENDED).chore("replay_actions_pruned"))
    upkeep.register(Pruning("destinations_replay", "ended_at", history, _WITHOUT_ACTIONS).chore("replays_pruned"))
    trials = Pruning("destinations_trial", "asked_at", days(env["RETENTION_ATTEMPT_DAYS"]))
    upkeep.register(trials.chore("test_events_pruned"))
    suspects = Pruning("destinations_suspect", "settled_at", history, "state <> 'open'")
    upkeep.register(suspects.chore("suspects_pruned"))
    upkeep.register(upkeep.Chore("poison_incidents_ended", telling.end_what_is_over))
    attempts = Pruning("destinations_attempt", "at", days(env["RETENTION_ATTEMPT_DAYS"]))
    upkeep.register(attempts.chore("attempts_pruned"))


def _rows(seconds: float, condition: str) -> Pruning:
    return Pruning("destinations_delivery", "updated_at", seconds, condition)
