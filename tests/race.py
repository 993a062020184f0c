"""Running functions at the same time, each in a thread with its own database connection."""

import threading
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
