"""`manage.py crashreport`: the newest crashes; `manage.py crashreport ID`: the whole report of one.

Exit codes: 0 shown, also when there are none; 1 there is no such report; 2 wrong use.
"""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db.models import CharField
from django.db.models.functions import Cast

from alerts.models import Crash
from alerts.recovery import report
from rudderproj.tables import table

_LIMIT_MOST = 1000
_SHOWN_ID = 8  # characters: enough to tell them apart
_COLUMNS = ("id", "at", "role", "node", "kind", "verdict", "summary")


class Command(BaseCommand):
    """Show crash reports."""

    help = "List the newest crashes, or show one report: by its id or the beginning of it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", nargs="?", help="of a crash, or how it begins")
        parser.add_argument("--limit", metavar="N", type=int, default=20, help="of a list: at most so many; 20")
        parser.add_argument("--json", action="store_true", help="one object (a list: one a line), for scripts")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["id"] is not None:
            return self.one(options["id"], options["json"])
        if not 1 <= options["limit"] <= _LIMIT_MOST:
            self.fail(2, f"limit must be at least 1 and at most {_LIMIT_MOST}")
        rows = [_row(crash) for crash in Crash.objects.order_by("-at", "-id")[: options["limit"]]]
        if options["json"]:
            for row in rows:
                self.stdout.write(json.dumps(row, ensure_ascii=False))
        else:
            shown = [row | {"id": row["id"][:_SHOWN_ID], "at": row["at"][:19]} for row in rows]
            self.stdout.write("\n".join(table(_COLUMNS, shown)))
        return None

    def one(self, beginning: str, as_json: bool) -> None:
        """The report whose id begins so."""
        rows = Crash.objects.annotate(text=Cast("id", CharField())).filter(text__startswith=beginning.lower())
        found = list(rows[:2]) if beginning else []
        if not found:
            self.fail(1, f"there is no crash report {beginning!r}")
        if len(found) > 1:
            self.fail(2, f"several crash reports begin with {beginning!r}")
        if as_json:
            self.stdout.write(json.dumps(report.content(found[0]), ensure_ascii=False))
        else:
            self.stdout.write(report.as_text(found[0]), ending="")

    def fail(self, status: int, message: str) -> None:
        """One line on standard error."""
        self.stderr.write(message)
        raise SystemExit(status)


def _row(crash: Crash) -> dict[str, Any]:
    whole = report.content(crash)
    return {name: whole[name] for name in _COLUMNS}
