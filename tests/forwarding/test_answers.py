"""What an answer means, and when a failed event is tried again or given up: pure."""

from datetime import UTC, datetime, timedelta

import pytest

from destinations.outcome import BatchFate, Outcome, batch_fate, classify, describe, retry_after_seconds
from destinations.retry import RetryPolicy
from rudderproj.http import Answer

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
POLICY = RetryPolicy(window_seconds=3600, attempts=3, base_seconds=1, max_seconds=300)


def answer(status: int | None, retry_after: str | None = None) -> Answer:
    return Answer(status, "", retry_after, "" if status else "timeout", True, 0.1)


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ([200, 201, 202, 204, 299], Outcome.DELIVERED),
        ([None, 100, 408, 425, 429, 500, 502, 503, 504, 599], Outcome.RETRY),
        ([401, 403, 410], Outcome.REFUSED),
        ([300, 301, 302, 304, 307, 308, 400, 404, 405, 409, 413, 422, 451], Outcome.ABORTED),
    ],
)
def test_statuses_are_classified(statuses: list[int | None], outcome: Outcome) -> None:
    assert {classify(answer(status)) for status in statuses} == {outcome}


def test_only_429_and_a_503_that_says_when_are_too_much_for_a_batch() -> None:
    assert {batch_fate(answer(429)), batch_fate(answer(429, "1")), batch_fate(answer(503, "1"))} == {BatchFate.TOO_MUCH}
    assert {batch_fate(answer(status, "1")) for status in (None, 400, 401, 413, 500, 502, 504)} == {BatchFate.REFUSED}
    assert (batch_fate(answer(503)), batch_fate(answer(204))) == (BatchFate.REFUSED, BatchFate.TAKEN)


def test_an_answer_is_described_without_its_body() -> None:
    assert describe(answer(404)) == "HTTP 404"
    assert describe(answer(None)) == "timeout"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        ("Tue, 24 Nov 2026 12:01:30 GMT", 90.0),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("٣", None),
        ("²", None),
        ("9" * 400, float("inf")),
        ("Tue, 24 Nov 2026 12:01:30 -0000", 90.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(answer(429, value), NOW) == seconds


def test_delays_double_up_to_the_largest_with_full_jitter() -> None:
    assert [POLICY.delay(n, None, lambda: 1.0).total_seconds() for n in (1, 2, 3, 9, 10, 5000)] == [
        1,
        2,
        4,
        256,
        300,
        300,
    ]
    assert POLICY.delay(3, None, lambda: 0.25).total_seconds() == 1.0


def test_retry_after_puts_off_but_no_longer_than_an_hour() -> None:
    assert POLICY.delay(1, 60, lambda: 0.0) == timedelta(seconds=60)
    assert POLICY.delay(9, 60, lambda: 1.0) == timedelta(seconds=256)
    assert POLICY.delay(1, 1e12, lambda: 0.0) == timedelta(hours=1)


@pytest.mark.parametrize(
    ("attempts", "minutes", "exhausted"),
    [(3, 60, True), (2, 60, False), (3, 59, False), (100, 59, False), (2, 6000, False)],
)
def test_an_event_is_given_up_only_after_the_attempts_and_the_window(
    attempts: int, minutes: int, exhausted: bool
) -> None:
    assert POLICY.is_exhausted(attempts, NOW - timedelta(minutes=minutes), NOW) is exhausted


def test_a_destinations_own_values_replace_the_defaults_one_by_one() -> None:
    assert RetryPolicy.of({"attempts": 9}, POLICY) == RetryPolicy(3600, 9, 1, 300)
