"""`manage.py upkeep [--dry-run]`: do all chores now, and say what was done and what is left alone.

Exit codes: 0 done, 1 a chore failed, another upkeep is at work, or the database does not answer.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg2
from django.core.management.base import BaseCommand, CommandParser

from rudderproj import upkeep


class Command(BaseCommand):
    """Run the chores of every app."""

    help = "Make partitions, roll up tallies, drop and prune what is old; upkeep does so by itself every few seconds."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what there is to do, and what is kept")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            done = {} if options["dry_run"] else upkeep.run(due_only=False)
            if done is None:
                self.fail("another upkeep is at work")
            self.show(done or {}, upkeep.look())
        except psycopg2.Error as error:
            self.fail(f"the database does not answer: {str(error).strip().splitlines()[0]}")
        if None in (done or {}).values():
            raise SystemExit(1)

    def show(self, done: Mapping[str, int | None], left: Mapping[str, Sequence[str]]) -> None:
        """A line for each chore, and below it what is left."""
        for name, lines in left.items():
            count = done.get(name, 0)
            self.stdout.write(f"{name}: {'failed, see the log' if count is None else count}" if done else f"{name}:")
            self.stdout.write("".join(f"  {line}\n" for line in lines or ([] if done else ["nothing"])), ending="")

    def fail(self, problem: str) -> None:
        """End with exit code 1."""
        self.stderr.write(problem)
        raise SystemExit(1)
