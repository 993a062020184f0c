"""`manage.py status [--json]`: the deployment at one instant, for people or for scripts.

Exit codes: 0 printed, 1 the database does not answer.
"""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from destinations import status
from rudderproj.tables import table

_PROCESS = ("role", "node", "pid", "started_at", "last_seen_at", "restarts")
_DESTINATION = (
    *("name", "type", "enabled", "state", "breaker", "pending", "oldest_age_seconds"),
    *("failed", "waiting", "aborted", "last_error"),
)
_CONNECTION = (
    *("source", "destination", "accepted", "delivered", "pending", "failed", "waiting"),
    *("aborted", "filtered", "skipped", "difference"),
)

_AT_ITS_END = {
    "keep": "it is kept, and so is what follows it",
    "drop": "they are given up then",
}


class Command(BaseCommand):
    """Print the status."""

    help = "Show the mode, the processes, and where the events of every connection are."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one object, for scripts")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            found = status.snapshot()
        except DatabaseError as error:
            self.stderr.write(f"the database does not answer: {str(error).strip().splitlines()[0]}")
            raise SystemExit(1) from None
        if options["json"]:
            self.stdout.write(json.dumps(found, ensure_ascii=False))
            return
        mode = found["mode"]
        self.stdout.write(f"mode: {mode['mode']} since {mode['since']} {mode['actor']} {mode['reason']}".rstrip())
        for incident in found["incidents"]:
            self.stdout.write(f"{incident['severity']} since {incident['opened_at']}: {incident['summary']}")
        for title, columns in (("processes", _PROCESS), ("destinations", _DESTINATION), ("connections", _CONNECTION)):
            self.stdout.write(f"\n{title}:\n" + "\n".join(table(columns, found[title])))
        kept = found["retention"]
        for need in kept["needed"]:
            self.stdout.write(
                f"\n{need['by']} is owed events of {need['day']} ({need['because']}), which is too old on"
                f" {need['goes_on']}: {_AT_ITS_END[kept['policy']]}"
            )
