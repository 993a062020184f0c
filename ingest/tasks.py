"""Ingest's periodic work, on the alerts queue: an edge that only calls.

Must never be needed for accepting events: the writer makes a missing partition itself, and readers count what is not
rolled up yet.
"""

import psycopg2
import structlog

from rudderproj import upkeep as chores
from rudderproj.celery import app

log = structlog.get_logger(__name__)


@app.task(name="ingest.upkeep")
def upkeep() -> None:
    """Do the chores that are due, unless another upkeep is at it. With the database away it is asked for again."""
    try:
        chores.run()
    except psycopg2.Error as error:
        log.warning("upkeep.stopped", error=str(error).strip())
