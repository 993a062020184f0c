"""Celery tasks of alerts: doorbells. The watch does the same without them, at most seconds later."""

import psycopg2
import structlog
from celery import shared_task
from django.db import DatabaseError

from alerts.incidents import checks
from alerts.notifications import bell, deliver

log = structlog.get_logger(__name__)


@shared_task(name="alerts.check")
def check() -> None:
    """Make the checks that are due."""
    try:
        checks.run()
    except DatabaseError as error:
        log.info("check.no_database", error=str(error).strip())


@shared_task(name=bell.NOTIFY)
def notify() -> None:
    """Send what is due."""
    try:
        deliver.send_due()
    except (DatabaseError, psycopg2.Error) as error:
        log.info("notify.no_database", error=str(error).strip())
