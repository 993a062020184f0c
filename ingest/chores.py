"""What upkeep does for ingest: partitions made, frozen and dropped, tallies, and what is pruned by age."""

from django.conf import settings

from ingest import partitions, retention, tally
from rudderproj import upkeep
from rudderproj.pruning import Pruning, days
from rudderproj.upkeep import Chore

MIDNIGHT_KEY_SECONDS = 3600.0  # they matter within minutes of midnight
RETENTION_SECONDS = 60.0
WARNING_SECONDS = 600.0


def register() -> None:
    """Called once, when the app is ready."""
    upkeep.register(Chore("partitions_made", partitions.create_ahead))
    upkeep.register(Chore("events_tallied", tally.roll_up_all))
    upkeep.register(Chore("partitions_dropped", retention.drop_old, retention.look, RETENTION_SECONDS))
    upkeep.register(Chore("days_needed_but_old", retention.warn, every_seconds=WARNING_SECONDS))
    upkeep.register(Chore("partitions_frozen", partitions.freeze_one, partitions.to_freeze, RETENTION_SECONDS))
    midnight_keys = Pruning("ingest_midnight_key", "created_at", MIDNIGHT_KEY_SECONDS)
    upkeep.register(midnight_keys.chore("midnight_keys_pruned"))
    rejected = Pruning("ingest_rejectedevent", "received_at", days(settings.ENV["RETENTION_REJECTED_DAYS"]))
    upkeep.register(rejected.chore("rejected_events_pruned"))
