"""Checks: functions that apps register, each of which says what of one kind is the matter now.

One process of the deployment runs them at a time. Must never let a check that fails resolve anything, or keep the
others from being made; must never import an app that registers one.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from django.db import connection

from alerts.incidents.book import Finding, sync
from rudderproj import metrics

log = structlog.get_logger(__name__)

_LOCK = "SELECT pg_try_advisory_lock(hashtext('rudderproj.alerts'))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtext('rudderproj.alerts'))"


@dataclass(frozen=True, slots=True)
class Check:
    """`look` says what is found now, by the incident's key: see alerts.incidents.sync. It must be cheap.

    `clear_seconds`: how long it must be over, None for ALERT_CLEAR_SECONDS.
    """

    kind: str
    look: Callable[[], Mapping[str, Finding | None]]
    every_seconds: float = 5.0
    clear_seconds: float | None = None


_checks: dict[str, Check] = {}
_made_at: dict[str, float] = {}


def register(check: Check) -> None:
    """Have this check made with the others. One of the same kind is replaced."""
    _checks[check.kind] = check


def run(due_only: bool = True) -> int:
    """Make the checks that are due, unless another process is at it; how many. Raises django.db.DatabaseError."""
    due = [check for check in _checks.values() if not due_only or _is_due(check)]
    if not due:
        return 0
    with _turn() as is_ours:
        if not is_ours:
            return 0
        for check in due:
            _made_at[check.kind] = time.monotonic()
            _make(check)
    return len(due)


def _is_due(check: Check) -> bool:
    return time.monotonic() - _made_at.get(check.kind, float("-inf")) >= check.every_seconds


def _make(check: Check) -> None:
    try:
        sync(check.kind, check.look(), check.clear_seconds)
    except Exception as error:  # noqa: BLE001 - whatever it was, the other checks must still be made
        metrics.ALERT_CHECK_FAILURES.add(1, check.kind)
        log.warning("check.failed", kind=check.kind, error=str(error).strip() or type(error).__name__)


@contextmanager
def _turn() -> Iterator[bool]:
    """Whether it is this process's turn. A process that dies loses it with its session, after half a minute if its
    host vanished (rudderproj.settings). One that is stopped keeps it: an idle timeout, which upkeep's connection has,
    would end Django's between turns too, and it opens no other by itself.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)
        is_ours = cursor.fetchone() == (True,)
    try:
        yield is_ours
    finally:
        if is_ours:
            with connection.cursor() as cursor:
                cursor.execute(_UNLOCK)
