"""Crashes as the guards write them, without anybody who dies."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models.functions import Now

from alerts.models import Crash


def came_back(count: int = 1, seconds_ago: float = 10, node: str = "n-1", role: str = "forward", **values: Any) -> None:
    """So many restarts of a process, the last of them so long ago, a second apart."""
    for index in range(count):
        at = database_now() - timedelta(seconds=seconds_ago + count - 1 - index)
        Crash.objects.create(role=role, node=node, kind="process", at=at, restarted_at=at, **values)


def database_now() -> datetime:
    """The database's clock, which decides what counts."""
    from alerts.models import Mode

    return Mode.objects.annotate(now=Now()).values_list("now", flat=True).get()
