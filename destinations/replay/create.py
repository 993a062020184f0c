"""Creating a replay, or saying what it would send. Admin, API and command call these."""

from contextlib import closing
from dataclasses import dataclass

from django.db import transaction

from destinations import doorbell
from destinations.models import Lane, Replay, ReplayAction
from destinations.replay import counting, ranges
from destinations.replay.counting import Count
from destinations.replay.ranges import Found
from destinations.replay.selection import BadSelection, NothingToReplay, Selection
from rudderproj import db

STATEMENT_SECONDS = 60.0
_RATE_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Preview:
    """What a replay would send."""

    events: int
    is_exact: bool  # else: at most about so many


def preview(selection: Selection) -> Preview:
    """How many events a replay of this would send; changes nothing. Raises BadSelection."""
    _, count = _plan(selection)
    return Preview(count.events, count.events_is_exact)


def create(selection: Selection, actor: str, rate: int | None = None) -> Replay:
    """Start a replay; `rate`: attempts a second at most. Raises BadSelection or NothingToReplay."""
    if rate is not None and not 1 <= rate <= _RATE_MOST:
        raise BadSelection(f"rate must be at least 1 event a second, and at most {_RATE_MOST}")
    found, count = _plan(selection)
    if not found.ranges or (count.events_is_exact and not count.events):
        raise NothingToReplay("nothing to replay: no such event")
    with transaction.atomic():
        replay = Replay.objects.create(
            destination_id=selection.destination_id,
            origin=selection.origin,
            source_id=selection.source_id,
            since=selection.since,
            until=selection.until,
            event=selection.event,
            user_key=selection.user_key,
            reason=selection.reason,
            picked=found.events if selection.is_picked else None,
            rate=rate,
            total=count.total,
            total_is_exact=count.total_is_exact,
        )
        ReplayAction.objects.create(replay=replay, action=ReplayAction.Action.CREATE, actor=actor)
        Lane.objects.bulk_create(_lane(replay, each) for each in found.ranges)
        transaction.on_commit(lambda: doorbell.ring_quietly([selection.destination_id]))
    return replay


def _plan(selection: Selection) -> tuple[Found, Count]:
    selection.check()
    with closing(db.connect("replay", STATEMENT_SECONDS)) as raw:
        found = ranges.find(raw, selection)
        if found.missing:
            raise BadSelection(f"not there, or not settled yet: {', '.join(found.missing)}")
        return found, counting.count(raw, selection, found)


def _lane(replay: Replay, each: ranges.Range) -> Lane:
    return Lane(
        connection_id=each.connection_id,
        number=each.number,
        replay=replay.pk,
        xid=each.start[0],
        position=each.start[1],
        day=each.day,
        end_xid=each.end[0],
        end_position=each.end[1],
        picks=None if each.picks is None else [list(place) for place in each.picks],
    )
