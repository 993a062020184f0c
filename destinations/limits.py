"""How links work, from the settings, and by which clock. Must never be kept longer than a process lives."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from destinations import control
from destinations.allowance import Bounds
from destinations.control import Control
from destinations.retry import RetryPolicy
from destinations.sender import Sender
from destinations.settle import Settler
from rudderproj.http import HttpClient


def clock_of(seen: Control) -> Callable[[], datetime]:
    """The database's clock, as far as a reading of a moment ago tells: retries written here are due by that one."""
    return lambda: control.utc_now() + seen.ahead


@dataclass(frozen=True, slots=True)
class Limits:
    """How links work, from the settings."""

    share: int
    concurrency: int
    concurrency_most: int
    budget_seconds: float
    claim_seconds: float
    timeout_seconds: float
    retry: RetryPolicy

    @classmethod
    def from_settings(cls) -> "Limits":
        """The deployment's values."""
        env = settings.ENV
        retry = RetryPolicy(
            env["RETRY_WINDOW_SECONDS"], env["RETRY_ATTEMPTS"], env["RETRY_BASE_SECONDS"], env["RETRY_MAX_SECONDS"]
        )
        return cls(
            env["FORWARD_SHARE"],
            env["FORWARD_CONCURRENCY"],
            env["FORWARD_CONCURRENCY_MOST"],
            env["FORWARD_BUDGET_SECONDS"],
            env["FORWARD_CLAIM_SECONDS"],
            env["FORWARD_TIMEOUT_SECONDS"],
            retry,
        )

    def sender(self, seen: Control, client: HttpClient) -> Sender:
        """What sends to the destination. Raises sender.PluginBroken."""
        most = max(self.concurrency, self.concurrency_most)
        bounds = Bounds(self.concurrency, most, seen.part(self.share))
        return Sender(seen, client, clock_of(seen), self.timeout_seconds, bounds)

    def claim_for(self, sender: Sender) -> float:
        """Seconds of a lease. Renewed when a third is gone, so that a request always has its whole timeout before the
        lease can run out.
        """
        return max(self.claim_seconds, sender.timeout_seconds * 1.6)

    def settler(self, seen: Control, sender: Sender) -> Settler:
        """A link's bookkeeping, as the destination wants it."""
        return Settler(RetryPolicy.of(seen.retry, self.retry), seen.streak_so_far(), sender.mask, clock_of(seen))
