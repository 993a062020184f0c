"""Telling a failing destination from a failing user: a pure evaluator of what came of the last attempts.

Signals go in, a verdict comes out; destinations.health keeps the state. Must never know a database or a clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from destinations.retry import RETRY_AFTER_MOST_SECONDS

USERS = 3  # so many users failing without a success between them is no longer about a user


class Verdict(StrEnum):
    """What a streak of failures says."""

    USER = "user"  # nothing said about the destination
    OPEN = "open"  # the destination is down: stop sending, probe
    HOLD = "hold"  # the destination refuses us (401, 403, 410): stop until an operator acts


@dataclass(slots=True)
class Streak:
    """Failures since the last success."""

    users: set[str] = field(default_factory=set)  # whose events failed in a way that may pass
    refused: set[str] = field(default_factory=set)  # whose events got 401, 403 or 410
    unreachable: int = 0  # attempts that did not even connect

    def failed(self, user: str, connected: bool) -> None:
        """An attempt failed in a way that may pass."""
        self.users.add(user)
        if not connected:
            self.unreachable += 1

    def refuse(self, user: str) -> None:
        """An attempt was answered 401, 403 or 410."""
        self.refused.add(user)

    def succeeded(self) -> None:
        """An attempt succeeded: the destination is well."""
        self.users.clear()
        self.refused.clear()
        self.unreachable = 0

    def verdict(self) -> Verdict:
        """Three users, or three attempts that did not connect, are the destination's failure."""
        if len(self.refused) >= USERS:
            return Verdict.HOLD
        if len(self.users) >= USERS or self.unreachable >= USERS:
            return Verdict.OPEN
        return Verdict.USER

    def as_json(self) -> dict[str, Any]:
        """For the destination's health row; bounded, since only the first few users matter."""
        return {
            "users": sorted(self.users)[:USERS],
            "refused": sorted(self.refused)[:USERS],
            "unreachable": min(self.unreachable, USERS),
        }

    @classmethod
    def stored(cls, value: Mapping[str, Any]) -> "Streak":
        """From as_json, or {} for none."""
        return cls(set(value.get("users", ())), set(value.get("refused", ())), value.get("unreachable", 0))


def probe_delay_seconds(probes_failed: int, retry_after: float = 0.0) -> float:
    """How long an open breaker waits before its next probe: 1, 2, 4 … 60 seconds, but never less than `Retry-After`."""
    return max(min(60.0, 2.0 ** min(probes_failed, 6)), min(retry_after, RETRY_AFTER_MOST_SECONDS))
