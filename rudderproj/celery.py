"""The Celery application: queue names, beat's table, broker options.

Celery is a doorbell: messages carry ids, never events. Losing, repeating or reordering them is harmless,
so there are no late acks, no countdowns and no result backend.
"""

import logging
import os

import billiard.pool
from celery import Celery
from celery.signals import beat_init, celeryd_init, setup_logging
from django.conf import settings

from rudderproj import beat_stop, forking, metrics_worker, sentry
from rudderproj.serving import require_settings

# For who is started as Celery: web and commands have said which settings are theirs before they come here.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rudderproj.worker_settings")
# Checks of models say at each start what they said when `migrate` ran, and a worker that was killed is waited for.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

# On a warm shutdown a child that has just finished a task waits until the parent has noted its result, which the
# parent no longer does then: 30 s by default at nearly every stop under load. We keep no results; one second is enough.
billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = 10

FORWARD_QUEUE = "forward"
ALERTS_QUEUE = "alerts"

app = Celery("rudderproj", broker=settings.ENV["CELERY_BROKER_URL"], amqp="rudderproj.broker:Amqp")
app.conf.update(
    task_default_queue=FORWARD_QUEUE,
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_acks_late=False,
    worker_prefetch_multiplier=1,
    # What no process has time for stays in the queue, where links that might make room see it (destinations/shift.py);
    # otherwise the main process would hold one for each process. For brokers that speak Redis's protocol, like ours.
    worker_disable_prefetch=True,
    worker_autoscaler="rudderproj.autoscaler:Autoscaler",
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_send_task_events=True,
    # Celery kills a process of its pool that does not answer in 4 seconds: on a busy machine one that has just begun,
    # and that would look like a crash.
    worker_proc_alive_timeout=60.0,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        # A machine that vanished says nothing: a worker that waits for a message asks anew within 5 s, not 51.
        "health_check_interval": 2,
        # kombu would wait 2 and 4 seconds before it says that the broker is away; whoever rings has other work.
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0.2,
        "interval_max": 0.2,
        # What a worker takes is noted in its memory alone: in the broker it would be for who comes an hour later.
        "ack_emulation": False,
        # Nothing here has a priority, and whoever looks into a queue would ask for each of four lists.
        "priority_steps": [0],
        "master_name": settings.ENV["CELERY_BROKER_MASTER"],
    },
    task_publish_retry=False,
    timezone="UTC",
    beat_scheduler="rudderproj.beat_clock:Scheduler",
    beat_schedule={
        # Where all processes are busy it waits in the queue; several cost little, since one in a second takes a turn.
        "sweep": {"task": "destinations.sweep", "schedule": 1.0, "options": {"expires": 10, "queue": FORWARD_QUEUE}},
        "upkeep": {"task": "ingest.upkeep", "schedule": 10.0, "options": {"expires": 20, "queue": ALERTS_QUEUE}},
        "sample": {"task": "destinations.sample", "schedule": 10.0, "options": {"expires": 10, "queue": ALERTS_QUEUE}},
        # The watch makes the same checks.
        "check": {"task": "alerts.check", "schedule": 60.0, "options": {"expires": 30, "queue": ALERTS_QUEUE}},
    },
)
app.autodiscover_tasks(["ingest", "destinations", "alerts"])
beat_stop.connect()
forking.connect()
metrics_worker.connect(FORWARD_QUEUE)
sentry.connect_to_celery()
# A ring is not worth two lines: what came of it is logged by whoever does the work.
for _chatty in ("celery.app.trace", "celery.worker.strategy", "celery.beat"):
    logging.getLogger(_chatty).setLevel(logging.WARNING)


@celeryd_init.connect
@beat_init.connect
def _refuse_settings(**_: object) -> None:
    """Before anything is forked or sent."""
    require_settings()


@setup_logging.connect
def _keep_our_logging(**_: object) -> None:
    """Django configured logging already; without a receiver Celery would replace it."""
