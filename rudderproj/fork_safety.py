"""What no fork may cut in half: opening a connection, in a thread beside the one that forks.

A child that is forked in the middle of it finds locks of C libraries taken that nobody will ever give back. It waits
for ever once it opens a connection of its own, and whoever stops its worker waits for it. Must never keep one thread
from connecting because another does, nor a fork from happening at all.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_SECONDS = 5.0  # more than a connection takes that is not to be had


class _Gate:
    """Lets any number of threads in, but none while a fork is made, which waits for those that are."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._forking = False

    def enter(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._forking, PATIENCE_SECONDS)
            self._inside += 1

    def leave(self) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def before(self) -> None:
        with self._changed:
            self._forking = True
            self._changed.wait_for(lambda: self._inside == 0, PATIENCE_SECONDS)

    def in_parent(self) -> None:
        with self._changed:
            self._forking = False
            self._changed.notify_all()


_gate = _Gate()
_thread = threading.local()  # is_inside


@contextmanager
def whole() -> Iterator[None]:
    """Have every fork wait until the block is done, or come before it. May stand within another."""
    if getattr(_thread, "is_inside", False):
        yield
        return
    gate = _gate
    gate.enter()
    _thread.is_inside = True
    try:
        yield
    finally:
        _thread.is_inside = False
        gate.leave()


def _in_child() -> None:
    global _gate
    _gate = _Gate()


os.register_at_fork(before=lambda: _gate.before(), after_in_parent=lambda: _gate.in_parent(), after_in_child=_in_child)
