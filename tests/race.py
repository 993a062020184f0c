"""Running functions at the same time, each in a thread with its own database connection."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


def together(functions: Sequence[Callable[[], T]]) -> list[T]:
    """Call all functions at the same moment; their results in order. Raises what one of them raises."""
    barrier = threading.Barrier(len(functions))

    def call(function: Callable[[], T]) -> T:
        connection.ensure_connection()
        barrier.wait(10)
        try:
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result() for future in [pool.submit(call, function) for function in functions]]


def below_horizon(seconds: float = 30.0) -> None:
    """Wait until readers see every event of the log: tests beside this one hold the cluster's horizon too."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(max(xid), 0) < pg_snapshot_xmin(pg_current_snapshot())::text::bigint FROM ingest_event"
            )
            if cursor.fetchone() == (True,):
                return
        time.sleep(0.01)
    raise TimeoutError("another transaction holds the horizon")
