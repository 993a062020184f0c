"""beat goes on when the clock is put back, and rests until something is due.

Celery's scheduler goes by the time of day at which it sent each task last, and keeps that in a file: an hour behind, it
would send nothing for an hour. And it wakes ten milliseconds early, in which it asks over and over whether it is time:
a hundredth of a core where something is due each second. Must never send a task more often than its interval says.
"""

from typing import Any

from celery.beat import PersistentScheduler

REST_SECONDS = 0.01


class Scheduler(PersistentScheduler):
    """Whatever was sent at a time that is still to come was sent just now."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due; the seconds until something is."""
        now = self.app.now()
        ahead = [entry for entry in self.schedule.values() if entry.last_run_at and entry.last_run_at > now]
        for entry in ahead:
            entry.last_run_at = now
        if ahead:
            self._heap = None  # it is sorted by that time, and made anew
        return max(float(super().tick(*args, **kwargs)), REST_SECONDS)
