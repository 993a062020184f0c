"""`manage.py replay`: send events of the log, or dead letters, again; watch, pause, resume and cancel replays.

Exit codes: 0 done; 1 there is nothing to replay; 2 wrong input. In both one line on standard error, nothing changed.
"""

from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from destinations.models import Connection, Destination, Replay
from destinations.replay import progress, steer
from destinations.replay.create import create, preview
from destinations.replay.selection import BadSelection, NothingToReplay, Selection
from rudderproj import account
from rudderproj.tables import table
from rudderproj.times import read_time

_CHANGES = {"pause": steer.pause, "resume": steer.resume, "cancel": steer.cancel}
_COLUMNS = (
    *("id", "destination", "state", "origin", "total", "delivered", "failed", "waiting", "aborted", "filtered"),
    *("pending", "created_at", "created_by"),
)
_CHOOSING = ("destination", "source", "state", "since", "until", "event", "user", "message_id", "rate", "dry_run")
_NEWEST = 50


class Command(BaseCommand):
    """Do it and say so."""

    help = "Send events of the log, or dead letters, to a destination again, in order and beside live traffic."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", nargs="?", choices=["list", "show", *_CHANGES], help="what to do with replays")
        parser.add_argument("id", nargs="?", type=int, help="of the replay to show, pause, resume or cancel")
        parser.add_argument("--destination", metavar="NAME", help="where to send events again")
        parser.add_argument("--source", metavar="NAME", help="only of this source")
        parser.add_argument("--state", choices=["aborted"], help="only dead letters, times being those of giving up")
        parser.add_argument("--since", metavar="TIME", help="accepted since: 2026-11-24T12:00:00Z, or 2h (ago)")
        parser.add_argument("--until", metavar="TIME", help="accepted before")
        parser.add_argument("--event", metavar="NAME", default="", help="a track's event, or the type of another call")
        parser.add_argument("--user", metavar="KEY", default="", help="only of this user key")
        parser.add_argument("--message-id", metavar="ID", nargs="+", default=[], help="only these")
        parser.add_argument("--rate", metavar="N", type=int, help="attempts a second at most")
        parser.add_argument("--dry-run", action="store_true", help="say how many events it would send; change nothing")

    def handle(self, *_: Any, **options: Any) -> None:
        verb, pk = options["verb"], options["id"]
        try:
            if verb and (given := [name for name in _CHOOSING if options[name]]):
                raise BadSelection(f"`{verb}` takes no --{given[0].replace('_', '-')}")
            if verb == "list":
                self.list()
            elif verb is not None:
                self.act(verb, pk)
            elif options["dry_run"]:
                self.preview(self.selection(options))
            else:
                self.create(self.selection(options), options["rate"])
        except (BadSelection, ValueError) as error:
            self.fail(str(error), 2)
        except NothingToReplay as error:
            self.fail(str(error), 1)
        except Replay.DoesNotExist:
            self.fail(f"there is no replay {pk}", 2)

    def selection(self, options: dict[str, Any]) -> Selection:
        """What the options ask for. Raises BadSelection or ValueError."""
        if not options["destination"]:
            raise BadSelection("say where to send: --destination NAME (or list, show, pause, resume, cancel)")
        destination = Destination.objects.filter(name=options["destination"]).first()
        if destination is None:
            raise BadSelection(f"no destination is named {options['destination']!r}")
        return Selection(
            destination.pk,
            origin=Replay.Origin.DEAD_LETTERS if options["state"] else Replay.Origin.LOG,
            source_id=_source(destination, options["source"]),
            since=read_time(options["since"]) if options["since"] else None,
            until=read_time(options["until"]) if options["until"] else None,
            event=options["event"],
            user_key=options["user"],
            message_ids=tuple(dict.fromkeys(options["message_id"])),
        )

    def preview(self, selection: Selection) -> None:
        """Say how many events it would send."""
        found = preview(selection)
        if not found.events:
            raise NothingToReplay("nothing to replay: no such event")
        self.stdout.write(f"would send {_events(found.events, found.is_exact)}")

    def create(self, selection: Selection, rate: int | None) -> None:
        """Start it."""
        replay = create(selection, account.name(), rate)
        self.stdout.write(f"replay {replay.pk} runs: {_events(replay.total, replay.total_is_exact)} to look at")

    def act(self, verb: str, pk: int | None) -> None:
        """Show or change one."""
        if pk is None:
            raise BadSelection(f"say which replay to {verb}: its id, as `replay list` shows it")
        if verb == "show":
            for name, value in progress.progress(pk).items():
                self.stdout.write(f"{name}: {_told(value)}".rstrip())
            return
        changed = _CHANGES[verb](pk, account.name())
        state = Replay.objects.values_list("state", flat=True).get(pk=pk)
        if not changed:
            raise BadSelection(f"replay {pk} is {state}: nothing to {verb}")
        self.stdout.write(f"replay {pk} is {state}")

    def list(self) -> None:
        """The newest ones."""
        rows = [row | {"created_at": f"{row['created_at']:%Y-%m-%dT%H:%M:%SZ}"} for row in progress.newest(_NEWEST)]
        self.stdout.write("\n".join(table(_COLUMNS, rows)))

    def fail(self, problem: str, status: int) -> None:
        """End with this exit code."""
        self.stderr.write(problem)
        raise SystemExit(status)


def _source(destination: Destination, name: str | None) -> int | None:
    if not name:
        return None
    found = Connection.objects.filter(destination=destination, source__name=name).values_list("source_id", flat=True)
    if not found:
        raise BadSelection(f"no source named {name!r} is connected to {destination.name}")
    return int(found[0])


def _events(number: int, is_exact: bool) -> str:
    return f"{number} event{'' if number == 1 else 's'}" if is_exact else f"at most about {number} events"


def _told(value: Any) -> str:
    if isinstance(value, list):
        told = (f"{item['action']} {item['at']:%Y-%m-%dT%H:%M:%SZ} {item['actor']}".strip() for item in value)
        return ", ".join(told)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return "" if value is None else str(value)
