"""What an incident tells that others know: apps say here how to find it. Must never import them."""

from collections.abc import Callable

from django.db import DatabaseError

_waiting: list[Callable[[], int | None]] = []


def tell_waiting(find: Callable[[], int | None]) -> None:
    """Say how to find out how many events wait to be forwarded; None when nobody counted."""
    _waiting[:] = [find]


def waiting_events() -> int | None:
    """How many events wait, as last counted."""
    try:
        return next((find() for find in _waiting), None)
    except DatabaseError:
        return None
