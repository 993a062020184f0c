"""What an answer means for the event: pure classification, no policy about when to try again."""

import email.utils
from datetime import UTC, datetime
from enum import StrEnum

from rudderproj.http import Answer

RETRY_STATUSES = frozenset({408, 425, 429})
REFUSED_STATUSES = frozenset({401, 403, 410})  # perhaps the destination as a whole: see destinations.breaker


class Outcome(StrEnum):
    """The fate of one attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"  # may succeed later
    REFUSED = "refused"  # aborts the event, unless it looks like the whole destination
    ABORTED = "aborted"  # will never succeed


class BatchFate(StrEnum):
    """What became of a request for several events."""

    TAKEN = "taken"
    REFUSED = "refused"  # one of its events may be why
    TOO_MUCH = "too_much"  # its destination wants fewer requests for a while


def classify(answer: Answer) -> Outcome:
    """2xx delivered; 408, 425, 429, 5xx and no answer retry; 401, 403, 410 refused; other 3xx and 4xx aborted."""
    status = answer.status
    if status is None or status >= 500 or status in RETRY_STATUSES or status < 200:
        return Outcome.RETRY
    if status < 300:
        return Outcome.DELIVERED
    if status in REFUSED_STATUSES:
        return Outcome.REFUSED
    return Outcome.ABORTED


def batch_fate(answer: Answer) -> BatchFate:
    """2xx taken; 429, and 503 with a `Retry-After`, say when, and nothing about what."""
    if classify(answer) is Outcome.DELIVERED:
        return BatchFate.TAKEN
    if answer.status == 429 or (answer.status == 503 and answer.retry_after):
        return BatchFate.TOO_MUCH
    return BatchFate.REFUSED


def describe(answer: Answer) -> str:
    """The answer in a few words, for rows and logs: no body, no secret."""
    return answer.error if answer.status is None else f"HTTP {answer.status}"


def retry_after_seconds(answer: Answer, now: datetime) -> float | None:
    """`Retry-After` in seconds from now, as a number or an HTTP date; None when absent or unreadable."""
    value = (answer.retry_after or "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
        return max(0.0, ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds())
    except (ValueError, OverflowError):
        return None
