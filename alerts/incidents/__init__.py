"""Incidents: what a person must be told of. Each opens once, is updated, and resolves.

The public calls are here; others report what they see and never write the tables themselves.
"""

from alerts.incidents.book import Finding as Finding
from alerts.incidents.book import report as report
from alerts.incidents.book import resolve as resolve
from alerts.incidents.book import sync as sync


def report_crash_loops() -> int:
    """Open or update the incident of each process that keeps crashing; how many. Resolving them is the watch's.

    For who judges restarts beside the alerts worker, which may be what crashes. Raises django.db.DatabaseError.
    """
    from alerts.incidents import looks  # here: the models are loaded through this package

    return looks.report_crash_loops()
