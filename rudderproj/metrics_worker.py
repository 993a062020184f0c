"""Metrics of a Celery worker: its children's counters in the main process, which serves them on a port of its own."""

from typing import Any

from celery.signals import task_postrun, worker_init, worker_process_shutdown, worker_ready

from rudderproj import metrics_relay, metrics_server


def connect(forward_queue: str) -> None:
    """Have this done in every worker; one that takes from `forward_queue` is a forwarding one."""

    def before_fork(**_: Any) -> None:
        metrics_relay.open_relay()

    def in_main_process(sender: Any, **_: Any) -> None:
        metrics_relay.read_relay()
        metrics_server.start("forward" if forward_queue in sender.app.amqp.queues.consume_from else "alerts")

    def in_child(**_: Any) -> None:
        metrics_relay.flush()

    worker_init.connect(before_fork, weak=False, dispatch_uid="metrics.before_fork")
    worker_ready.connect(in_main_process, weak=False, dispatch_uid="metrics.main")
    task_postrun.connect(in_child, weak=False, dispatch_uid="metrics.task")
    worker_process_shutdown.connect(in_child, weak=False, dispatch_uid="metrics.shutdown")
