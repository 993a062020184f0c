"""`manage.py forget --user ID`: erase a person's payloads everywhere they are kept, and say what was erased.

Exit codes: 0 done, 1 the database does not answer or a lane was busy: run it again, 2 wrong use, or not confirmed.
"""

import json
import sys
from typing import Any, NoReturn

import psycopg2
from django.core.management.base import BaseCommand, CommandParser

from destinations.forget.deliveries import LaneBusy
from destinations.forget.run import Report, forget
from ingest.models import Source
from rudderproj import account


class Command(BaseCommand):
    """Ask, erase, report; progress goes to standard error."""

    help = "Erase a person's payloads: events, deliveries, attempts, rejected events, inbox. Cannot be undone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", required=True, metavar="ID", help="their userId or anonymousId")
        parser.add_argument("--source", metavar="NAME", help="only what came from this source")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be erased")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--json", action="store_true", help="the report as one object, for scripts")

    def handle(self, *_: Any, **options: Any) -> None:
        source = Source.objects.filter(name=options["source"]).first() if options["source"] else None
        if options["source"] and source is None:
            self.fail(2, f"no source is named {options['source']}")
        if not (options["dry_run"] or options["yes"] or self.confirmed()):
            self.fail(2, "not confirmed, nothing was erased")
        try:
            found = forget(
                options["user"],
                actor=account.name(),
                source=source,
                dry_run=options["dry_run"],
                tell=lambda text: self.stderr.write(text),
            )
        except ValueError as error:
            self.fail(2, str(error))
        except (LaneBusy, psycopg2.Error) as error:
            self.fail(1, f"not finished, run it again: {str(error).strip().splitlines()[0]}")
        else:
            self.show(found, options)

    def confirmed(self) -> bool:
        """Ask a person; without one the answer is no."""
        if not sys.stdin.isatty():
            self.stderr.write("standard input is no terminal: say --yes")
            return False
        self.stderr.write("This erases the person's events, delivered or not, for good. Type yes to go on: ", ending="")
        return input().strip() == "yes"

    def show(self, found: Report, options: dict[str, Any]) -> None:
        """What was erased, a line a kind."""
        if options["json"]:
            self.stdout.write(json.dumps({"person": found.person, "dry_run": options["dry_run"], **found.counts}))
            return
        self.stdout.write(f"{found.person}: {'would be erased' if options['dry_run'] else 'erased'}")
        for name, count in found.counts.items():
            self.stdout.write(f"  {name.replace('_', ' ')}: {count}")

    def fail(self, code: int, problem: str) -> NoReturn:
        """End with this exit code."""
        self.stderr.write(problem)
        raise SystemExit(code)
