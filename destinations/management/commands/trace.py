"""`manage.py trace MESSAGE_ID`, or `--user KEY`, or `--since … --until …`: where is my event?

Exit codes: 0 found, 1 not found or the database does not answer, 2 wrong use.
"""

import argparse
import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from destinations import trace
from destinations.fate import Fate
from destinations.trace import Trace, Traced
from ingest.history import Asked
from ingest.models import Source
from rudderproj.times import read_time

WALK_SECONDS = 20  # how long the log is searched for a user's events


def moment(text: str) -> datetime:
    """rudderproj.times.read_time, for argparse."""
    try:
        return read_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def count(text: str) -> int:
    """A number of events, 1 to 1000."""
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError("expected 1 to 1000")
    return int(text)


class Command(BaseCommand):
    """Trace events."""

    help = "Show where events are: when accepted, and what became of them at every destination."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("message_id", nargs="?", help="the event's messageId")
        parser.add_argument("--user", help="a user key: the anonymousId, else the userId")
        parser.add_argument("--source", help="name of a source; without it all are searched")
        parser.add_argument("--since", type=moment, help="accepted at this time or later; also an age such as 2h")
        parser.add_argument("--until", type=moment, help="accepted at this time or earlier")
        parser.add_argument("--limit", type=count, default=20, help="most events shown, newest first (20)")
        parser.add_argument("--json", action="store_true", help="one object, for scripts")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            found = self.find(options)
        except DatabaseError as error:
            self.fail(1, f"the database does not answer: {str(error).strip().splitlines()[0]}")
        if options["json"]:
            self.stdout.write(json.dumps(as_json(found), ensure_ascii=False))
        else:
            self.stdout.write("\n".join(as_text(found)))
        if not found:
            raise SystemExit(1)

    def find(self, options: dict[str, Any]) -> Trace:
        """By message id, or by walking the log."""
        source_id = self.source(options["source"])
        ranged = [name for name in ("user", "since", "until") if options[name] is not None]
        if options["message_id"] is not None:
            if ranged:
                self.fail(2, f"a message id and --{ranged[0]} do not go together")
            return trace.by_message_id(options["message_id"], source_id)
        if not ranged:
            self.fail(2, "expected a message id, --user, --since or --until")
        return walk(Asked(source_id, options["user"], options["since"], options["until"]), options["limit"])

    def source(self, name: str | None) -> int | None:
        """The id of the source of that name."""
        if name is None:
            return None
        found = Source.objects.filter(name=name).values_list("pk", flat=True).first()
        if found is None:
            self.fail(2, f"no source named {name!r}")
        return found

    def fail(self, status: int, message: str) -> Any:
        """One line on standard error."""
        self.stderr.write(message)
        raise SystemExit(status)


def walk(asked: Asked, limit: int) -> Trace:
    """Page after page until there are enough events, no more of them, or too little time for another page."""
    stop_at = datetime.now(UTC) + timedelta(seconds=WALK_SECONDS)
    found = trace.walk(asked, limit)
    events = found.events
    while len(events) < limit and found.next_before and datetime.now(UTC) < stop_at:
        found = trace.walk(asked, limit - len(events), found.next_before)
        events += found.events
    return Trace(events, [], found.next_before)


def as_json(found: Trace) -> dict[str, Any]:
    """Times in UTC with a `Z`; payloads as objects. `complete` is false when the log was not searched to its end."""
    return {
        "events": [_event_json(traced) for traced in found.events],
        "rejected": [_plain(dataclasses.asdict(rejected)) for rejected in found.rejected],
        "complete": found.next_before is None,
    }


def _event_json(traced: Traced) -> dict[str, Any]:
    event = dataclasses.asdict(traced.event) | {"payload": traced.event.content, "place": traced.event.place}
    found: dict[str, Any] = _plain(event | {"destinations": [dataclasses.asdict(fate) for fate in traced.fates]})
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return _time(value) if isinstance(value, datetime) else value


def _time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_text(found: Trace) -> list[str]:
    """For people: an event, then a line for each destination, then its attempts."""
    lines = [line for traced in found.events for line in _event_lines(traced)]
    for rejected in found.rejected:
        lines.append(f"{rejected.message_id}: rejected {_time(rejected.received_at)} from {rejected.source}")
        lines.append(f"  {rejected.reason}")
    if not found:
        lines.append("no such event was accepted or rejected")
    if found.next_before is not None:
        lines.append("… the log goes on: narrow it with --source, --since and --until, or raise --limit")
    return lines


def _event_lines(traced: Traced) -> list[str]:
    event = traced.event
    when = _time(event.received_at) if event.received_at else "before what the log still holds"
    head = f"{event.message_id}: accepted {when} from {event.source}, user {event.user_key}, place {event.place}"
    lines = [head, *(line for fate in traced.fates for line in _fate_lines(fate))]
    return lines if traced.fates else [head, "  its source has no connection"]


def _fate_lines(fate: Fate) -> list[str]:
    parts = [fate.reason, fate.detail]
    if fate.inferred:
        parts.append("inferred from today's configuration")
    if fate.attempts:
        parts.append(f"{fate.attempts} attempt{'' if fate.attempts == 1 else 's'}")
    if fate.next_attempt_at:
        parts.append(f"next attempt {_time(fate.next_attempt_at)}")
    if fate.settled_at:
        parts.append(_time(fate.settled_at))
    lines = [f"  {fate.destination}: {fate.state.replace('_', ' ')}".ljust(30) + "  " + "; ".join(filter(None, parts))]
    for tried in fate.tries:
        answer = f"HTTP {tried.status}" if tried.status else "no answer"
        said = " ".join((tried.error or tried.response).split())[:120]
        lines.append(f"    {_time(tried.at)} {answer} {tried.outcome} {tried.duration_ms} ms {said}".rstrip())
    for again in fate.replays:
        lines.append(f"    replay {again.replay_id}: {again.state} {again.reason}; attempts: {again.attempts}")
    return [line.rstrip() for line in lines]
