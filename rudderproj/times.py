"""Times as people type them."""

import re
from datetime import UTC, datetime, timedelta

from django.utils import timezone

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def read_time(text: str) -> datetime:
    """`2026-11-24`, `2026-11-24T12:00:00Z` (UTC where no offset is given), or `90m`, `2h`, `7d` ago.

    Raises ValueError with a line that says what was expected.
    """
    if ago := _AGO.fullmatch(text):
        try:
            return timezone.now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        except OverflowError:
            raise ValueError(f"{text!r} is too long ago") from None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time: expected 2026-11-24T12:00:00Z, 2026-11-24 or 2h (ago)") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
