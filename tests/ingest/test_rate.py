"""A source's own limit."""

from ingest.rate import Buckets


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_second_holds_as_many_requests_as_the_rate() -> None:
    clock = Clock()
    buckets = Buckets(clock)

    assert [buckets.take(1, 2) for _ in range(3)] == [0.0, 0.0, 0.5]
    clock.now += 0.5
    assert [buckets.take(1, 2) for _ in range(2)] == [0.0, 0.5]
    clock.now += 60
    assert [buckets.take(1, 2) for _ in range(3)] == [0.0, 0.0, 0.5]


def test_each_who_is_refused_is_told_a_time_of_its_own_up_to_a_minute() -> None:
    clock = Clock()
    buckets = Buckets(clock)

    assert [buckets.take(1, 2) for _ in range(6)] == [0.0, 0.0, 0.5, 1.0, 1.5, 2.0]
    clock.now += 1.0
    assert [buckets.take(1, 2) for _ in range(3)] == [0.0, 0.0, 1.5]
    assert max(buckets.take(1, 2) for _ in range(200)) == 60.0


def test_one_source_does_not_use_up_anothers_rate() -> None:
    buckets = Buckets(Clock())

    assert (buckets.take(1, 1), buckets.take(2, 1)) == (0.0, 0.0)


def test_a_raised_rate_holds_at_once() -> None:
    clock = Clock()
    buckets = Buckets(clock)
    buckets.take(1, 1)
    clock.now += 0.1

    assert buckets.take(1, 100) == 0.0
