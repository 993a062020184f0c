"""How many events go in one request; time is told."""

from destinations.batch_size import CEILING_SECONDS, REST_SECONDS, BatchSize
from tests.forwarding.test_throttle import Time


def test_after_a_refusal_events_go_one_by_one_for_a_while_and_then_by_twice_as_many_each_time() -> None:
    time = Time()
    batch = BatchSize(10, None, time)
    assert batch.size == 10
    batch.refused(10)
    batch.taken(1)
    assert batch.size == 1
    time.now = REST_SECONDS
    assert grown(batch) == [2, 4, 5, 5], "no more than half of what was refused"
    time.now = CEILING_SECONDS
    assert grown(batch) == [10, 10, 10, 10]


def grown(batch: BatchSize) -> list[int]:
    seen = []
    for _ in range(4):
        batch.taken(batch.size)
        seen.append(batch.size)
    return seen


def test_only_a_full_request_says_that_more_may_go() -> None:
    time = Time()
    batch = BatchSize(10, 4, time)
    batch.taken(4)
    assert batch.size == 4, "it rests to begin with where another found that not all go together"
    time.now = REST_SECONDS
    batch.taken(3)
    assert batch.size == 4
    batch.taken(4)
    assert batch.size == 8


def test_it_is_never_more_than_configured_nor_less_than_one() -> None:
    assert (BatchSize(5, 50).size, BatchSize(0).size, BatchSize(5, 1).size) == (5, 1, 1)
