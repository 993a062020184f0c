"""Celery's autoscaler, which also says how many messages its worker may take from the queue.

Must never let the main process hold messages that no process of the pool has time for: links that make room look for
them in the queue (`worker_disable_prefetch`), and Celery goes by the largest number the worker was started with.
"""

from celery.worker.autoscale import Autoscaler as CeleryAutoscaler


class Autoscaler(CeleryAutoscaler):
    """As Celery's."""

    def update(self, max: int | None = None, min: int | None = None) -> tuple[int, int]:
        """Go by other numbers from now on, as `celery control autoscale` wants it; these numbers."""
        numbers: tuple[int, int] = super().update(max, min)
        self.worker.max_concurrency = numbers[0]
        return numbers
