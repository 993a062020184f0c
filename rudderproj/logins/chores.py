"""What upkeep does for logins: tries that count no more and sessions that have ended are deleted."""

from rudderproj import upkeep
from rudderproj.logins.throttle import KNOWN_DAYS
from rudderproj.pruning import Pruning, days


def register() -> None:
    """Called once, when the app is ready."""
    upkeep.register(Pruning("logins_login", "at", days(KNOWN_DAYS)).chore("old_logins_deleted"))
    upkeep.register(Pruning("django_session", "expire_date", 0.0).chore("ended_sessions_deleted"))
