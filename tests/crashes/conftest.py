"""Crashes as the guard and the worker store them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from alerts.models import Crash

Crashed = Callable[..., Crash]


@pytest.fixture
def crashed(committed: None) -> Crashed:
    """Store a crash `ago` seconds ago that was restarted a second later, unless told otherwise."""

    def store(ago: float = 10, **fields: Any) -> Crash:
        at = timezone.now() - timedelta(seconds=ago)
        given = {"role": "forward", "node": "host-forward-1", "kind": "process", "pid": 7, "signal": "SIGSEGV"}
        given |= {"at": at, "restarted_at": at + timedelta(seconds=1), "summary": "forward died by SIGSEGV"}
        return Crash.objects.create(**(given | fields))

    return store
