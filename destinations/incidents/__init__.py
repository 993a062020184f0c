"""What of forwarding a person must be told: checks for alerts.incidents, from the last samples and from health rows.

Must never count events anew, or open an incident for what another one explains.
"""

from alerts.incidents import checks, facts
from alerts.incidents.checks import Check


def register() -> None:
    """Called once, when the app is ready."""
    from destinations.incidents import of_destinations, of_forwarding
    from destinations.incidents.common import waiting

    facts.tell_waiting(waiting)
    checks.register(Check(of_destinations.FAILING, of_destinations.failing))
    checks.register(Check(of_destinations.HELD, of_destinations.held))
    checks.register(Check(of_destinations.BEHIND, of_destinations.behind, every_seconds=10))
    checks.register(Check(of_destinations.LETTERS, of_destinations.dead_letters, every_seconds=10))
    checks.register(Check(of_forwarding.DIFFERENCE, of_forwarding.difference, every_seconds=10))
    checks.register(Check(of_forwarding.STALLED, of_forwarding.stalled, every_seconds=10))
    checks.register(Check(of_forwarding.RETENTION, of_forwarding.nearing_retention, every_seconds=60))
