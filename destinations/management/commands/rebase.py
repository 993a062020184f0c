"""`manage.py rebase`: make an event log that was restored from a dump of another cluster this cluster's own.

Exit codes: 0 it is at home now, 1 the database is away.
"""

from contextlib import closing
from typing import Any

import psycopg2
from django.core.management.base import BaseCommand, CommandError

from destinations import rebase
from rudderproj import db

STATEMENT_SECONDS = 600


class Command(BaseCommand):
    """Move the cluster's transaction ids beyond the log's; does nothing to a log that is at home."""

    help = (
        "Make an event log restored from another cluster's dump usable: move this cluster's transaction ids beyond it."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        try:
            with closing(db.connect("rebase", STATEMENT_SECONDS)) as raw:
                if rebase.ahead(raw) <= 0:
                    self.stdout.write("the event log is this cluster's own: nothing to do")
                    return
                rebase.rebase(raw, lambda left: self.stderr.write(f"{left} transaction ids to go"))
        except psycopg2.Error as error:
            raise CommandError(str(error).strip()) from None
        self.stdout.write("the event log is this cluster's own now")
