"""`manage.py deadletters`: events that were given up, newest first, by destination, reason and time.

Exit codes: 0 listed, also when there are none; 2 wrong input, one line on standard error.
"""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from destinations.letters import Chosen, page
from destinations.models import Delivery, Destination
from rudderproj.tables import table
from rudderproj.times import read_time

_LIMIT_MOST = 10_000
_COLUMNS = ("aborted_at", "source", "destination", "message_id", "user_key", "attempts", "reason")


class Command(BaseCommand):
    """Print the newest dead letters."""

    help = "List dead letters, newest first. `manage.py replay --state aborted` sends them again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--destination", metavar="NAME", help="only of this destination")
        parser.add_argument("--reason", metavar="TEXT", help="given up for exactly this reason")
        parser.add_argument("--since", metavar="TIME", help="given up since: 2026-11-24T12:00:00Z, or 2h (ago)")
        parser.add_argument("--until", metavar="TIME", help="given up before")
        parser.add_argument("--limit", metavar="N", type=int, default=50, help="at most so many; 50 by default")
        parser.add_argument("--json", action="store_true", help="one object a line, for scripts")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            rows = [_row(letter) for letter in self.letters(options)]
        except ValueError as error:
            self.stderr.write(str(error))
            raise SystemExit(2) from None
        if options["json"]:
            for row in rows:
                self.stdout.write(json.dumps(row, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(table(_COLUMNS, rows)))

    def letters(self, options: dict[str, Any]) -> list[Delivery]:
        """What the options ask for. Raises ValueError."""
        if not 1 <= options["limit"] <= _LIMIT_MOST:
            raise ValueError(f"limit must be at least 1 and at most {_LIMIT_MOST}")
        pk = None
        if name := options["destination"]:
            pk = Destination.objects.filter(name=name).values_list("pk", flat=True).first()
            if pk is None:
                raise ValueError(f"no destination is named {name!r}")
        since, until = (read_time(options[name]) if options[name] else None for name in ("since", "until"))
        state = Delivery.State.ABORTED.value
        chosen = Chosen(pk, state=state, reason=options["reason"], since=since, until=until)
        return page(chosen, options["limit"])


def _row(letter: Delivery) -> dict[str, Any]:
    return {
        "aborted_at": f"{letter.updated_at:%Y-%m-%dT%H:%M:%SZ}",
        "source": letter.connection.source.name,
        "destination": letter.connection.destination.name,
        "message_id": letter.message_id,
        "user_key": letter.user_key,
        "attempts": letter.attempts,
        "reason": letter.reason,
    }
