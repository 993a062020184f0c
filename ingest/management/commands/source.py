"""`manage.py source list|retire|restore`: what an operator does to a source.

Exit codes: 0 the source is as asked, 2 wrong input, one line on standard error, nothing changed.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ingest import retiring
from ingest.models import Source
from rudderproj import account
from rudderproj.tables import table

_COLUMNS = ("name", "state", "rate_limit", "created_at")
_MEANING = (
    "retiring tells the apps of this source to stop for good: mobile SDKs delete the events they have stored, and "
    "restoring it later does not bring those back. To refuse events for a while switch it off instead. "
    "If this is meant, say --yes"
)


class Command(BaseCommand):
    """Do it and say so."""

    help = "List sources, retire one for good, or take a retired one back."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|retire|restore")
        verbs.add_parser("list", help="names and states")
        retire = verbs.add_parser("retire", help="refuse its events and tell its apps to stop for good")
        retire.add_argument("--yes", action="store_true", help="devices may delete what they have stored")
        restore = verbs.add_parser("restore", help="take it back, enabled or not as it was")
        for verb in (retire, restore):
            verb.add_argument("name", metavar="NAME")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["verb"] == "list":
            return self.list()
        source = Source.objects.filter(name=options["name"]).first()
        if source is None:
            self.fail(f"no source is named {options['name']!r}")
        elif options["verb"] == "restore":
            changed = retiring.restore(source.pk, account.name())
            self.stdout.write("restored" if changed else "it was not retired")
        elif not options["yes"]:
            self.fail(_MEANING)
        else:
            changed = retiring.retire(source.pk, account.name())
            self.stdout.write(f"{'now' if changed else 'already'} retired")
        return None

    def list(self) -> None:
        """One line a source."""
        rows = [
            {"name": row.name, "state": row.state, "rate_limit": row.rate_limit, "created_at": row.created_at.date()}
            for row in Source.objects.order_by("name")
        ]
        self.stdout.write("\n".join(table(_COLUMNS, rows)))

    def fail(self, problem: str) -> None:
        """End with exit code 2."""
        self.stderr.write(problem)
        raise SystemExit(2)
