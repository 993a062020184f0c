"""What the retention tests look at: which days the log has, and where a connection's events are."""

import itertools
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date

from django.db import connection, transaction
from django.utils import timezone
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations import tallies
from destinations.models import Connection as Link
from destinations.models import Delivery, Lane
from ingest import partitions, retention
from ingest.models import Event
from rudderproj import db

_numbers: Iterator[int] = itertools.count()


def next_number() -> int:
    """A number that no message id of these tests has yet."""
    return next(_numbers)


def days(raw: Connection) -> list[int]:
    """How long ago the days are that the log has, today and later left out."""
    now = partitions.today(raw)
    return [(now - table.day).days for table in partitions.attached(raw) if table.day < now]


@contextmanager
def long_reader() -> Iterator[Connection]:
    """Somebody who has read the log and has not finished: a dump."""
    with closing(db.connect("reader", 60)) as reader:
        reader.autocommit = False
        with reader.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SET idle_in_transaction_session_timeout = 0")
            cursor.execute("SELECT count(*) FROM ingest_event")
        yield reader
        reader.commit()


def counts(link: Link) -> dict[str, int]:
    """The terms of the conservation equation that are not 0, for one connection, in one snapshot."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        found = tallies.count()[link.pk]
    names = ("accepted", "delivered", "pending", "failed", "waiting", "aborted", "filtered", "skipped", "difference")
    return {name: getattr(found, name) for name in names if getattr(found, name)}


def deliver(link: Link, through: Event) -> None:
    """Have a lane delivered up to and including this event."""
    lane = Lane.objects.get(connection=link, number=through.lane)
    behind = [
        event
        for event in Event.objects.filter(source_id=link.source_id, lane=through.lane)
        if (lane.xid, lane.position) < (event.xid, event.position) <= (through.xid, through.position)
    ]
    Lane.objects.filter(pk=lane.pk).update(
        xid=through.xid, position=through.position, day=through.day, delivered=lane.delivered + len(behind)
    )


def deliver_all(link: Link) -> None:
    """Have everything delivered that the log has."""
    last = {event.lane: event for event in Event.objects.filter(source_id=link.source_id).order_by("xid", "position")}
    for event in last.values():
        deliver(link, event)


def hold(link: Link, event: Event, state: str = "failed") -> Delivery:
    """Make a row of an event, as a link does that settles it as its lane's next."""
    deliver(link, event)
    Lane.objects.filter(connection=link, number=event.lane).update(delivered=0)
    return Delivery.objects.create(
        connection=link,
        lane=event.lane,
        user_key=event.user_key,
        xid=event.xid,
        position=event.position,
        day=event.day,
        message_id=event.message_id,
        state=state,
        next_attempt_at=timezone.now() if state == "failed" else None,
    )


def needs(raw: Connection, now: date) -> list[tuple[int, str, str]]:
    """Who needs days that are old or soon will be."""
    return [((now - need.day).days, need.by, need.because) for need in retention.nearing(raw)]
