"""The same channels and stand-ins as for incidents."""

from tests.incidents.conftest import oncall, pager, pagerduty, silent_bell, victorops

__all__ = ["oncall", "pager", "pagerduty", "silent_bell", "victorops"]
