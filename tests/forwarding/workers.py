"""Links run in threads of the test, each with its own event loop, HTTP client and database connection."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.db import connection

from destinations.forward import Forwarder
from destinations.limits import Limits
from destinations.models import Destination
from destinations.retry import RetryPolicy

QUICK_RETRY = RetryPolicy(window_seconds=3600, attempts=3, base_seconds=0.02, max_seconds=0.05)
LIMITS = Limits(
    share=2,
    concurrency=64,
    concurrency_most=64,
    budget_seconds=1.0,
    claim_seconds=10.0,
    timeout_seconds=5.0,
    retry=QUICK_RETRY,
)


def limits(**values: Any) -> Limits:
    """The tests' limits, some changed."""
    return replace(LIMITS, **values)


def run_once(destination: Destination, chosen: Limits = LIMITS) -> bool:
    """One link, in this thread; what Forwarder.forward says."""
    forwarder = Forwarder(chosen)
    try:
        return forwarder.forward(destination.pk)
    finally:
        forwarder.close()


@contextmanager
def forwarding(destinations: Sequence[Destination], threads: int = 1, chosen: Limits = LIMITS) -> Iterator[None]:
    """Run links of these destinations, one after the other in each thread, until the block ends.

    Raises what a link raised: a link may drop its lanes, but never raises.
    """
    stopping, errors = threading.Event(), list[Exception]()

    def work() -> None:
        forwarder = Forwarder(chosen)
        try:
            while not stopping.is_set():
                found = [forwarder.forward(destination.pk) for destination in destinations]
                if not any(found):
                    stopping.wait(0.02)
        except Exception as error:  # noqa: BLE001 - the test's own thread raises it
            errors.append(error)
        finally:
            forwarder.close()
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        stopping.set()
        for worker in workers:
            worker.join()
    if errors:
        raise errors[0]


def eventually(condition: Callable[[], object], seconds: float = 30.0) -> bool:
    """Wait until the condition holds; False when it never did."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
