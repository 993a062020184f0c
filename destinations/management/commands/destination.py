"""`manage.py destination list|pause|resume`: what an operator does to a destination.

Exit codes: 0 the destination is as asked, 2 wrong input, one line on standard error, nothing changed.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from destinations import actions
from destinations.models import Destination, DestinationAction
from rudderproj import account
from rudderproj.tables import table

_COLUMNS = ("name", "type", "enabled", "state", "breaker", "last_action")


class Command(BaseCommand):
    """Do it and say so."""

    help = "List destinations, pause one, or let a paused or held one send again."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|pause|resume")
        verbs.add_parser("list", help="names and states, and who acted on them last")
        pause = verbs.add_parser("pause", help="stop sending; events stay pending")
        resume = verbs.add_parser("resume", help="send again, also what was owed meanwhile")
        resume.add_argument("--skip", action="store_true", help="pass over what is owed at this moment")
        for verb in (pause, resume):
            verb.add_argument("name", metavar="NAME")
            verb.add_argument("--reason", default="", metavar="TEXT", help="why; kept with your name and the time")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["verb"] == "list":
            return self.list()
        destination = Destination.objects.filter(name=options["name"]).first()
        if destination is None:
            self.fail(f"no destination is named {options['name']!r}")
        elif options["verb"] == "pause":
            changed = actions.pause([destination.pk], account.name(), options["reason"].strip())
            self.stdout.write(f"{'now' if changed else 'already'} paused")
        else:
            self.resume(destination, options["reason"].strip(), options["skip"])
        return None

    def resume(self, destination: Destination, reason: str, skip: bool) -> None:
        changed = actions.resume([destination.pk], account.name(), skip=skip, reason=reason)
        if skip and not changed:
            self.fail(f"{destination.name} is neither held nor paused: pause it first")
        skipped = ", what was owed is skipped" if skip else ""
        self.stdout.write(f"{'now' if changed else 'already'} ok{skipped}")

    def list(self) -> None:
        """One line a destination."""
        last: dict[int, DestinationAction] = {}
        for action in DestinationAction.objects.order_by("destination_id", "-id").distinct("destination_id"):
            last[action.destination_id] = action
        rows = [
            {
                "name": row.name,
                "type": row.type,
                "enabled": row.enabled,
                "state": row.health.state,
                "breaker": row.health.breaker,
                "last_action": _told(last.get(row.pk)),
            }
            for row in Destination.objects.select_related("health").order_by("name")
        ]
        self.stdout.write("\n".join(table(_COLUMNS, rows)))

    def fail(self, problem: str) -> None:
        """End with exit code 2."""
        self.stderr.write(problem)
        raise SystemExit(2)


def _told(action: DestinationAction | None) -> str:
    if action is None:
        return ""
    reason = f" ({action.reason})" if action.reason else ""
    return f"{action.action} by {action.actor} {action.at:%Y-%m-%dT%H:%M:%SZ}{reason}"
