"""Ingest's periodic work, on the alerts queue: an edge that only calls.

Must never be needed for accepting events: the writer makes a missing partition itself, and readers count what is not
rolled up yet.
"""

from collections.abc import Callable
from contextlib import closing

import psycopg2
import structlog
from psycopg2.extensions import connection as Connection  # noqa: N812

from ingest import partitions, tally
from rudderproj import db
from rudderproj.celery import app

log = structlog.get_logger(__name__)

STATEMENT_SECONDS = 30
MIDNIGHT_KEY_SECONDS = 3600  # they matter within minutes of midnight


def _prune_midnight_keys(raw: Connection) -> int:
    with raw.cursor() as cursor:
        cursor.execute(
            "DELETE FROM ingest_midnight_key WHERE created_at < now() - make_interval(secs => %s)",
            [MIDNIGHT_KEY_SECONDS],
        )
        return int(cursor.rowcount)


_CHORES: dict[str, Callable[[Connection], int]] = {
    "partitions_made": partitions.create_ahead,
    "events_tallied": tally.roll_up_all,
    "midnight_keys_pruned": _prune_midnight_keys,
}


@app.task(name="ingest.upkeep")
def upkeep() -> None:
    """Make partitions ahead, roll up the tallies, prune midnight keys. A chore that fails does not stop the others."""
    for name, chore in _CHORES.items():
        try:
            with closing(db.connect("upkeep", STATEMENT_SECONDS)) as raw:
                if done := chore(raw):
                    log.info("upkeep.done", chore=name, count=done)
        except psycopg2.Error as error:
            log.warning("upkeep.failed", chore=name, error=str(error).strip())
