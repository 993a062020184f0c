"""How much a link has in flight, by what comes of it; no network, and time is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destinations.throttle import REST_SECONDS, ROUNDS, SLOW_SECONDS, WINDOW_ANSWERS, Throttle
from rudderproj.http import Answer

TAKEN = Answer(200, "", None, "", True, 0.02)
UNREACHED = Answer(None, "", None, "refused", False, 0.02)
HUNG = Answer(None, "", None, "timeout", True, 10.0)


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def status(code: int) -> Answer:
    return TAKEN._replace(status=code)


def fly(
    throttle: Throttle, answer: Answer = TAKEN, flying: int | None = None, events: int = 1, time: Time | None = None
) -> None:
    """As many requests at once as may be, or so many; all answered alike, as the time told passes."""
    begun = [throttle.begin(throttle.limit // events, events) for _ in range(flying or throttle.limit // events)]
    if time:
        time.now += answer.seconds
    for one in begun:
        throttle.end(events)
        throttle.note(one, answer, events)


def settle(throttle: Throttle, time: Time, seconds: float = 0.02, flying: int | None = None, events: int = 1) -> None:
    """A whole window of answers that took so long."""
    answers = max(WINDOW_ANSWERS, ROUNDS * (throttle.limit // events))
    for _ in range(-(-answers // (flying or throttle.limit // events))):
        fly(throttle, TAKEN._replace(seconds=seconds), flying, events, time)


def test_it_grows_to_the_most_while_answers_take_as_long_as_before() -> None:
    time = Time()
    throttle, seen = Throttle(8, 20, time), []
    for _ in range(6):
        settle(throttle, time)
        seen.append(throttle.limit)
    assert seen == [10, 12, 15, 18, 20, 20]


def test_a_raise_that_only_makes_answers_slower_is_taken_back_and_not_tried_again_at_once() -> None:
    time = Time()
    throttle = Throttle(100, 1000, time)
    settle(throttle, time)
    assert throttle.limit == 125
    settle(throttle, time, 0.02 * 1.2)
    assert throttle.limit == 94, "and a sixteenth more"
    settle(throttle, time)
    assert throttle.limit == 94
    time.now += REST_SECONDS
    settle(throttle, time)
    assert throttle.limit == 117


def test_a_raise_that_brings_more_than_half_of_what_it_might_stays() -> None:
    time = Time()
    throttle = Throttle(100, 1000, time)
    settle(throttle, time)
    settle(throttle, time, 0.02 * 1.1)
    assert throttle.limit == 156


def test_batches_are_compared_by_the_events_that_they_carry() -> None:
    time = Time()
    throttle = Throttle(100, 1000, time)
    settle(throttle, time, events=10)
    assert throttle.limit == 125
    settle(throttle, time, events=5)
    assert throttle.limit == 156, "as fast, and as many in flight"
    settle(throttle, time, 0.02 * 1.2, events=5)
    assert throttle.limit == 118


def test_a_raise_that_brings_refusals_and_no_more_successes_is_taken_back() -> None:
    time = Time()
    throttle = Throttle(8, 100, time)
    settle(throttle, time)
    for _ in range(7):
        begun = [throttle.begin(10) for _ in range(10)]
        time.now += TAKEN.seconds
        for number, one in enumerate(begun):
            throttle.end()
            throttle.note(one, TAKEN if number < 8 else status(429))
    assert throttle.limit == 8


def test_a_cut_that_costs_half_of_the_successes_is_half_taken_back_and_none_follows_at_once() -> None:
    time = Time()
    throttle, seen = Throttle(64, 64, time), []
    for _ in range(5):
        mixed(throttle, time, 0.2)
        seen.append(throttle.limit)
    assert seen == [32, 48, 60, 64, 64]
    time.now += REST_SECONDS
    mixed(throttle, time, 0.2)
    assert throttle.limit == 32


def mixed(throttle: Throttle, time: Time, refused: float) -> None:
    """A whole window, of which such a share is refused."""
    for _ in range(max(ROUNDS, -(-WINDOW_ANSWERS // throttle.limit))):
        begun = [throttle.begin(throttle.limit) for _ in range(throttle.limit)]
        time.now += TAKEN.seconds
        for number, one in enumerate(begun):
            throttle.end()
            throttle.note(one, status(503) if number < len(begun) * refused else TAKEN)


def test_it_does_not_grow_while_fewer_are_in_flight_than_might_be() -> None:
    throttle = Throttle(100, 1000, Time())
    for _ in range(10):
        fly(throttle, flying=99)
    assert throttle.limit == 100


@pytest.mark.parametrize("answer", [status(429), status(503), HUNG], ids=["429", "503", "no answer"])
def test_it_halves_once_when_many_of_those_in_flight_are_too_many(answer: Answer) -> None:
    throttle = Throttle(64, 1000, Time())
    fly(throttle, answer, flying=40)
    assert throttle.limit == 32, "the rest had begun before it was halved"
    while throttle.limit == 32:
        fly(throttle, answer)
    assert throttle.limit == 16
    for _ in range(300):
        fly(throttle, answer)
    assert throttle.limit == 1


@pytest.mark.parametrize("answer", [status(500), status(400), status(401), UNREACHED])
def test_other_failures_say_nothing_about_how_many_there_are(answer: Answer) -> None:
    throttle = Throttle(64, 64, Time())
    for _ in range(10):
        fly(throttle, answer)
    assert throttle.limit == 64


@pytest.mark.parametrize("limit", [4, 64])
def test_one_event_that_hangs_time_and_again_takes_nothing_from_the_others(limit: int) -> None:
    throttle = Throttle(limit, limit, Time())
    for _ in range(10):
        fly(throttle, HUNG, flying=1)
        for _ in range(WINDOW_ANSWERS // 4):
            fly(throttle, TAKEN, flying=limit)
    assert throttle.limit == limit


def test_after_a_cut_it_rests_before_it_grows() -> None:
    time = Time()
    throttle = Throttle(64, 1000, time)
    fly(throttle, status(429))
    settle(throttle, time)
    assert throttle.limit == 32
    time.now = REST_SECONDS
    settle(throttle, time)
    assert throttle.limit == 40


def test_what_is_never_answered_counts_though_others_were_answered_many_times_meanwhile() -> None:
    throttle = Throttle(64, 64, Time())
    hanging = [throttle.begin(64) for _ in range(8)]
    for _ in range(10):
        fly(throttle, TAKEN, flying=50)
    for one in hanging:
        throttle.end()
        throttle.note(one, HUNG)
    assert throttle.limit == 32


def test_requests_that_are_too_many_after_a_cut_do_not_cut_again() -> None:
    throttle = Throttle(64, 64, Time())
    begun = [throttle.begin(64) for _ in range(64)]
    for one in begun[:32]:
        throttle.end()
        throttle.note(one, status(429))
    assert throttle.limit == 32
    for one in begun[32:]:
        late = [throttle.begin(throttle.limit) for _ in range(8)]
        for other in (one, *late):
            throttle.end()
            throttle.note(other, status(429))
        if sum(throttle._requests.values()) < 32:
            break
    assert throttle.limit == 32


def test_a_raise_is_judged_by_the_first_window_in_which_it_was_used() -> None:
    time = Time()
    throttle = Throttle(100, 1000, time)
    settle(throttle, time)
    for _ in range(2):
        settle(throttle, time, 0.1, flying=100)
    assert throttle.limit == 125
    settle(throttle, time, 0.02 * 1.2)
    assert throttle.limit == 94


def test_where_answers_take_long_a_few_are_enough() -> None:
    time = Time()
    throttle = Throttle(1, 100, time)
    for _ in range(4):
        fly(throttle, TAKEN._replace(seconds=SLOW_SECONDS / 3), time=time)
    assert throttle.limit == 2


def test_it_begins_with_what_is_allowed_at_most() -> None:
    assert (Throttle(64, 8).limit, Throttle(0, 8).limit, Throttle(5, 8).limit) == (8, 1, 5)


@given(
    start=st.integers(1, 300),
    most=st.integers(1, 300),
    answers=st.lists(st.tuples(st.sampled_from([200, 429, 503, 500]), st.floats(0, 1)), max_size=200),
)
def test_it_never_leaves_its_bounds(start: int, most: int, answers: list[tuple[int, float]]) -> None:
    time = Time()
    throttle = Throttle(start, most, time)
    for code, seconds in answers:
        fly(throttle, status(code)._replace(seconds=seconds), time=time)
        assert 1 <= throttle.limit <= most
