"""`manage.py rotate-secrets [--check]`: encrypt everything secret anew with the first key of SECRETS_KEYS.

Safe to stop and to repeat, while the system runs. Exit codes: 0 everything uses the first key; 1 something does not,
or cannot be read.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from rudderproj import secrets, secrets_rotation


class Command(BaseCommand):
    """A line for each column that holds secrets."""

    help = "Encrypt everything secret in the database anew with the first key of SECRETS_KEYS."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="only say what does not use the first key")

    def handle(self, *_: Any, **options: Any) -> None:
        if not secrets.ring().first:
            raise CommandError("SECRETS_KEYS is not set")
        self.stdout.write(f"first key: {secrets.ring().first}")
        work = self._check if options["check"] else self._rotate
        done = [work(column) for column in secrets_rotation.columns()]
        if not all(done):
            raise SystemExit(1)

    def _check(self, column: secrets_rotation.Column) -> bool:
        stale = secrets_rotation.stale(column)
        self.stdout.write(f"{column.label}: {stale} not encrypted with it")
        return not stale

    def _rotate(self, column: secrets_rotation.Column) -> bool:
        found = secrets_rotation.rotate(column)
        self.stdout.write(f"{column.label}: {found.rotated} encrypted anew")
        for pk, reason in found.unreadable.items():
            self.stderr.write(f"{column.label} of {pk} cannot be read: {reason}")
        return not found.unreadable
