"""Incidents: what a person must be told of. Each opens once, is updated, and resolves.

The public calls are here; others report what they see and never write the tables themselves.
"""

from alerts.incidents.book import Finding as Finding
from alerts.incidents.book import report as report
from alerts.incidents.book import resolve as resolve
from alerts.incidents.book import sync as sync
