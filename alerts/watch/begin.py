"""When the watch begins: at the first moment of an alerts worker, before it asks for its broker.

Must import nothing of the watch before that: other processes have no use for it.
"""

from typing import Any

from celery.signals import worker_init

from rudderproj.celery import ALERTS_QUEUE


def connect_to_celery() -> None:
    """Have every worker of the alerts queue watch."""
    worker_init.connect(_worker_init, weak=False, dispatch_uid="alerts.watch")


def _worker_init(sender: Any, **_: Any) -> None:
    """In the worker's main process, before its pool is forked."""
    if ALERTS_QUEUE in sender.app.amqp.queues.consume_from:
        from alerts.watch import loop

        loop.start()
