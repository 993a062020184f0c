"""Celery tasks of forwarding: doorbells. Each takes ids, calls one function, and may run twice or never.

The alerts worker loads this module too, and must not load what forwards: that may be what crashes. So a task imports it
when it runs, and a forwarding worker before its pool is forked.
"""

import importlib
from typing import Any

import psycopg2
import structlog
from celery import shared_task
from celery.signals import worker_init, worker_ready, worker_shutting_down
from django.db import DatabaseError

from destinations import doorbell, history, stopping
from destinations.doorbell import BROKER_AWAY, LINK
from destinations.sweep import sweep as run_sweep
from rudderproj import horizon, metrics
from rudderproj.celery import FORWARD_QUEUE, app

log = structlog.get_logger(__name__)

SWEEP = "destinations.sweep"
TIMER_SECONDS = 2.0
EXPIRES_SECONDS = 10.0  # where all processes are busy


@shared_task(name=LINK)
def forward(destination_id: int) -> None:
    """One link of a destination's chain, and links of others while it waits for answers."""
    from destinations.forward import forward as run_links

    run_links(destination_id)


@shared_task(name=SWEEP, send_events=False)  # one a second would bury everything else that Flower shows
def sweep() -> None:
    """Ring what has work. With the database or the broker away there is nothing to do but to be asked again."""
    try:
        run_sweep()
    except (psycopg2.Error, *BROKER_AWAY) as error:
        (metrics.DATABASE_ERRORS if isinstance(error, psycopg2.Error) else metrics.BROKER_ERRORS).add(1, "sweep")
        log.warning("sweep.failed", error=str(error).strip())


@shared_task(name="destinations.sample")
def sample() -> None:
    """Keep where every event is now, for charts and metrics."""
    try:
        history.sample()
        horizon.warn_if_held()
    except DatabaseError as error:
        metrics.DATABASE_ERRORS.add(1, "sample")
        log.warning("sample.failed", error=str(error).strip())


@shared_task(name="destinations.send_test_event")
def send_test_event(trial_id: int) -> None:
    """Send a test event that an operator asked for."""
    from destinations import trial

    trial.run(trial_id)


@worker_init.connect
def load_what_forwards(sender: Any, **_: object) -> None:
    """In a forwarding worker's main process, before its pool is forked: what every child needs is loaded once."""
    if FORWARD_QUEUE in sender.app.amqp.queues.consume_from:
        importlib.import_module("destinations.forward")
        importlib.import_module("destinations.trial")


@worker_ready.connect
def sweep_without_beat(sender: Any, **_: object) -> None:
    """Every forwarding worker asks for sweeps if none is made, so that a dead beat stops nothing. No database here."""
    if FORWARD_QUEUE in app.amqp.queues.consume_from:

        def ask() -> None:
            try:
                if not doorbell.is_swept():
                    app.send_task(SWEEP, queue=FORWARD_QUEUE, expires=EXPIRES_SECONDS, retry=False)
            except BROKER_AWAY:
                return

        sender.timer.call_repeatedly(TIMER_SECONDS, ask)


@worker_shutting_down.connect
def end_links(**_: object) -> None:
    """In the worker's main process: its children end their links at once, instead of when their budget is used up."""
    stopping.tell()
