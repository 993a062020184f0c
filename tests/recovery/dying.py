"""The product's Celery application with tasks that die: `celery -A tests.recovery.dying`."""

import ctypes
import os
import time

from rudderproj import flight
from rudderproj.celery import app as app


@app.task(name="dying.segfault")
def segfault(position: int) -> None:
    """Die with an event in hand."""
    path = flight.path_of(os.getpid())
    flight.Flight(path).take_event(7, 3, 5, 0, 99, position)
    ctypes.string_at(0)


@app.task(name="dying.exit")
def leave(status: int) -> None:
    """Die in the middle, by itself."""
    os._exit(status)


@app.task(name="dying.sleep")
def sleep(seconds: float) -> None:
    """Live."""
    time.sleep(seconds)
