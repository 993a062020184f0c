"""What a throttle comes to at destinations of one kind or another: simulated, time is told and chance is seeded."""

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

import pytest

from destinations.throttle import Throttle, Window
from rudderproj.http import Answer
from tests.forwarding.test_throttle import Time

START, MOST = 64, 100
SECONDS = 20.0
USUAL = 0.05
AT_ONCE = 0.002  # a refusal takes no longer
TIMEOUT = 10.0

Seconds: TypeAlias = Callable[[], float]
LATENCIES: dict[str, Callable[[random.Random], Seconds]] = {
    "alike": lambda chance: lambda: USUAL * chance.uniform(0.7, 1.3),
    "very different": lambda chance: lambda: chance.expovariate(1 / USUAL),
}


class Server(Protocol):
    """A destination: the status of its answer, None for none, and how long it takes."""

    def __call__(self, now: float, working: int) -> tuple[int | None, float]:
        """To a request that comes now, while so many are being worked on."""


def failing(share: float, status: int, seconds: Seconds, chance: random.Random) -> Server:
    """Fails by chance, however few there are."""
    return lambda now, working: (status if chance.random() < share else 200, seconds())  # noqa: ARG005


def taking(at_once: int, otherwise: int | None, refusal_seconds: float, seconds: Seconds) -> Server:
    """Takes so many at once."""
    return lambda now, working: (200, seconds()) if working < at_once else (otherwise, refusal_seconds)  # noqa: ARG005


class Flying(NamedTuple):
    """A request; the number is no other's, so that nothing behind it is compared."""

    ends: float
    number: int
    begun: Window
    answer: Answer


class Found(NamedTuple):
    """What came of it: successes and failures a second, and the limits, as they were each second."""

    successes: float
    failures: float
    limits: list[int]


def found(server: Server, start: int = START, most: int = MOST, seconds: float = SECONDS) -> Found:
    """A link that always has more to send."""
    time, flying, limits = Time(), list[Flying](), list[int]()
    throttle = Throttle(start, most, time)
    numbers = itertools.count()
    codes = Counter[bool]()
    working = 0
    while time.now < seconds:
        while len(flying) < throttle.limit:
            status, took = server(time.now, working)
            working += status == 200
            answer = Answer(status, "", None, "", True, took)
            begun = throttle.begin(throttle.limit)
            heapq.heappush(flying, Flying(time.now + took, next(numbers), begun, answer))
        one = heapq.heappop(flying)
        time.now = one.ends
        throttle.end()
        throttle.note(one.begun, one.answer)
        working -= one.answer.status == 200
        codes[one.answer.status == 200] += 1
        limits += [throttle.limit] * (int(time.now) - len(limits))
    return Found(codes[True] / seconds, codes[False] / seconds, limits)


@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.02, 0.05, 0.12])
def test_failures_that_fewer_would_not_prevent_do_not_slow_a_destination(share: float, seed: int, latency: str) -> None:
    chance = random.Random(seed)
    came = found(failing(share, 503, LATENCIES[latency](chance), chance))
    assert min(came.limits) >= START // 2
    assert came.successes > 0.9 * (1 - share) * START / USUAL, "a link with a fixed limit has so many"


@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize("refusal_seconds", [AT_ONCE, USUAL])
@pytest.mark.parametrize("status", [429, 503])
def test_one_that_takes_eight_at_once_is_soon_sent_eight(status: int, refusal_seconds: float, latency: str) -> None:
    server = taking(8, status, refusal_seconds, LATENCIES[latency](random.Random(1)))
    came = found(server)
    assert came.limits[0] <= 10
    assert all(5 <= limit <= 10 for limit in came.limits)
    assert came.limits[-1] == 8
    assert came.successes > 0.9 * 8 / USUAL
    assert came.failures < 100, "of 28,000 that 64 at once would meet"


@pytest.mark.parametrize("latency", LATENCIES)
def test_one_that_lets_more_than_eight_hang_is_sent_about_as_many(latency: str) -> None:
    came = found(taking(8, None, TIMEOUT, LATENCIES[latency](random.Random(1))), seconds=120.0)
    assert all(6 <= limit <= 32 for limit in came.limits[50:])
    assert came.failures < 5


def test_one_that_refuses_everything_is_sent_one_at_a_time_before_a_second_is_over() -> None:
    came = found(taking(0, 503, AT_ONCE, lambda: USUAL), seconds=3.0)
    assert came.limits == [1, 1, 1]
