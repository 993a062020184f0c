"""Celery's prefork pool, which also tells how its processes ended.

Owns what we know of billiard's insides. Must never decide what a death means beyond: meant, or not.
"""

from typing import TYPE_CHECKING, Any, Protocol

from billiard.pool import EX_RECYCLE, RUN
from celery.concurrency.asynpool import AsynPool
from celery.concurrency.prefork import TaskPool
from celery.signals import worker_shutting_down

from rudderproj.guard import clock

if TYPE_CHECKING:
    Base = Any
else:
    Base = AsynPool

CLEAN_EXITS = (0, EX_RECYCLE)


class Undertaker(Protocol):
    """Who is told. Called in the worker's event loop: must not wait."""

    def bury(self, pid: int, status: int, started: float) -> None:
        """A process ended unexpectedly; `status` is negative for a signal, `started` seconds since the boot."""

    def clean(self, pid: int) -> None:
        """A process ended as it should."""


class WatchedPool(Base):  # type: ignore[misc]
    """Tells its undertaker of every process that is gone, and of what nobody meant apart."""

    undertaker: Undertaker
    is_stopping = False

    def _create_worker_process(self, i: int) -> Any:
        worker = super()._create_worker_process(i)
        worker.rudderproj_started = clock.seconds()
        return worker

    def _join_exited_workers(self, shutdown: bool = False) -> Any:
        before = list(self._pool)
        try:
            return super()._join_exited_workers(shutdown)
        finally:
            for worker in before:
                if worker not in self._pool:
                    self._tell(worker, shutdown)

    def _tell(self, worker: Any, shutdown: bool) -> None:
        status = worker.exitcode
        meant = shutdown or self.is_stopping or self._state != RUN or getattr(worker, "_controlled_termination", False)
        if meant or status is None or status in CLEAN_EXITS:
            self.undertaker.clean(worker.pid)
        else:
            self.undertaker.bury(worker.pid, status, worker.rudderproj_started)


def watch(undertaker: Undertaker) -> None:
    """Have the pool that this worker is about to start tell `undertaker`."""
    WatchedPool.undertaker = undertaker
    TaskPool.Pool = WatchedPool
    worker_shutting_down.connect(_stopping, weak=False, dispatch_uid="alerts.recovery.pool")


def _stopping(**_: Any) -> None:
    WatchedPool.is_stopping = True
