"""From answers to progress and rows: what a link remembers until its next checkpoint. No database."""

import json
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from destinations.breaker import Streak
from destinations.lanes import ClaimedLane
from destinations.plugins.base import Request
from destinations.progress import Progress
from destinations.reader import Owed
from destinations.retry import RetryPolicy
from destinations.settle import Settler
from rudderproj.http import Answer

DAY = "2026-11-24"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
REQUEST = Request("POST", "https://x/?key=s3cret", [("authorization", "s3cret")], b"payload with s3cret")
_PLACES = count(1)


@pytest.fixture
def lane() -> ClaimedLane:
    return ClaimedLane(7, 70, 700, 3, Progress((0, 0), DAY))


@pytest.fixture
def settler() -> Settler:
    policy = RetryPolicy(window_seconds=3600, attempts=3, base_seconds=1, max_seconds=1)
    return Settler(policy, Streak(), lambda text: text.replace("s3cret", "***"), lambda: NOW)


def fresh(lane: ClaimedLane, user: str = "u") -> Owed:
    place = (next(_PLACES), 0)
    lane.progress.read(place, DAY)
    return Owed(lane, place, DAY, f"m{place[0]}", user, '{"a":1}')


def row(lane: ClaimedLane, attempts: int, failed_minutes_ago: int | None = None, user: str = "u") -> Owed:
    place = (next(_PLACES), 0)
    since = None if failed_minutes_ago is None else NOW - timedelta(minutes=failed_minutes_ago)
    return Owed(lane, place, DAY, f"m{place[0]}", user, '{"a":1}', True, True, None, attempts, since)


def answer(status: int | None, body: str = "", error: str = "", retry_after: str | None = None) -> Answer:
    return Answer(status, body, retry_after, error, True, 0.25)


def test_a_first_try_that_succeeds_moves_the_cursor_and_writes_nothing(lane: ClaimedLane, settler: Settler) -> None:
    owed = fresh(lane)
    assert settler.answered(owed, REQUEST, answer(200))
    assert (lane.progress.cursor, lane.progress.delivered, settler.settled) == (owed.place, 1, 1)
    assert not settler.take_changes()


def test_a_failure_is_only_remembered_until_it_is_known_whose_it_is(lane: ClaimedLane, settler: Settler) -> None:
    owed = fresh(lane)
    assert not settler.answered(owed, REQUEST, answer(500))
    assert lane.progress.cursor == (0, 0)
    assert not settler.changes.rows
    assert [attempt.status for attempt in settler.changes.attempts] == [500]

    held, free = settler.keep_failures()
    assert (held, free) == ([(7, "u")], [])
    kept = settler.changes.rows[70, *owed.place, 0]
    assert (kept.state, kept.attempts, kept.reason, kept.first_failed_at) == ("failed", 1, "HTTP 500", NOW)
    assert kept.next_attempt_at is not None
    assert NOW <= kept.next_attempt_at <= NOW + timedelta(seconds=1)
    assert lane.progress.cursor == owed.place
    assert (lane.progress.delivered, settler.held[7]) == (0, 1)


def test_retry_after_sets_the_earliest_next_attempt(lane: ClaimedLane, settler: Settler) -> None:
    settler.answered(fresh(lane), REQUEST, answer(429, retry_after="120"))
    settler.keep_failures()
    (kept,) = settler.changes.rows.values()
    assert kept.next_attempt_at == NOW + timedelta(seconds=120)


def test_a_refused_event_is_a_dead_letter_with_everything_masked(lane: ClaimedLane, settler: Settler) -> None:
    owed = fresh(lane)
    assert settler.answered(owed, REQUEST, answer(400, body="bad token s3cret"))
    (kept,) = settler.changes.rows.values()
    assert (kept.state, kept.reason, kept.attempts, kept.payload) == ("aborted", "HTTP 400", 1, '{"a":1}')
    assert kept.request is not None
    assert kept.response is not None
    assert json.loads(kept.request) == {
        "method": "POST",
        "url": "https://x/?key=***",
        "headers": [["authorization", "***"]],
    }
    assert json.loads(kept.response) == {"status": 400, "error": "", "body": "bad token ***"}
    assert settler.changes.attempts[0].response == "bad token ***"
    assert (lane.progress.aborted, lane.progress.cursor) == (1, owed.place)


def test_a_row_that_succeeds_is_counted_once_and_leaves_the_cursor_alone(lane: ClaimedLane, settler: Settler) -> None:
    owed = row(lane, attempts=2, failed_minutes_ago=5)
    settler.held[7] = 1
    assert settler.answered(owed, REQUEST, answer(200))
    (kept,) = settler.changes.rows.values()
    assert (kept.state, kept.attempts) == ("delivered", 3)
    assert (lane.progress.delivered, lane.progress.cursor, settler.held[7]) == (1, (0, 0), 0)
    assert [(attempt.outcome, attempt.status) for attempt in settler.changes.attempts] == [("delivered", 200)]


@pytest.mark.parametrize(("attempts", "minutes", "state"), [(2, 60, "aborted"), (2, 59, "failed"), (1, 60, "failed")])
def test_a_row_is_given_up_after_its_last_attempt_outside_the_window(
    lane: ClaimedLane, settler: Settler, attempts: int, minutes: int, state: str
) -> None:
    owed = row(lane, attempts, failed_minutes_ago=minutes)
    settler.answered(owed, REQUEST, answer(503))
    held, free = settler.keep_failures()
    (kept,) = settler.changes.rows.values()
    assert kept.state == state
    assert kept.first_failed_at == owed.first_failed_at
    assert len(held) + len(free) == 1
    if state == "aborted":
        assert kept.reason == "given up after 3 attempts: HTTP 503"
        assert settler.changes.given_up == [(70, 0, 3, "u", owed.first_failed_at)]
    else:
        assert held == [(7, "u")]


def test_a_waiting_event_settles_its_place_and_a_waiting_row_stays_as_it_is(
    lane: ClaimedLane, settler: Settler
) -> None:
    owed = fresh(lane)
    settler.wait(owed)
    settler.wait(row(lane, attempts=0))
    (kept,) = settler.changes.rows.values()
    assert (kept.state, kept.message_id, kept.attempts) == ("waiting", owed.message_id, 0)
    assert (lane.progress.cursor, settler.held[7]) == (owed.place, 1)


def test_filtered_events_are_counted_by_reason(lane: ClaimedLane, settler: Settler) -> None:
    settler.filtered(fresh(lane), "disabled")
    settler.filtered(fresh(lane), "disabled")
    assert lane.progress.filtered == {"disabled": 2}
    assert not settler.take_changes()


def test_an_event_that_cannot_be_built_is_a_dead_letter_without_an_attempt(lane: ClaimedLane, settler: Settler) -> None:
    settler.unbuildable(fresh(lane), "no s3cret here")
    (kept,) = settler.changes.rows.values()
    assert (kept.state, kept.reason, kept.attempts, kept.request, kept.response) == (
        "aborted",
        "no *** here",
        0,
        None,
        None,
    )
    assert settler.changes.attempts == []


def test_the_last_state_of_an_event_in_a_checkpoint_wins(lane: ClaimedLane, settler: Settler) -> None:
    owed = fresh(lane)
    settler.answered(owed, REQUEST, answer(500))
    settler.keep_failures()
    settler.answered(
        Owed(lane, owed.place, DAY, owed.message_id, "u", owed.payload, True, True, None, 1, NOW),
        REQUEST,
        answer(200),
    )
    assert [kept.state for kept in settler.take_changes().rows.values()] == ["delivered"]
