"""A replay keeps the days that it has yet to read, and those alone."""

from datetime import date
from typing import Any

import pytest
from django.utils import timezone
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations.models import Connection as Link
from destinations.models import Lane, Replay, RetentionSkip
from ingest import retention, tally
from ingest.models import Event
from tests.retention.conftest import WriteAgo
from tests.retention.log import counts, deliver_all, needs


def replay_lane(link: Link, event: Event, end: Event, **values: Any) -> Lane:
    """A running replay of one user's events from one event to before another."""
    replay = Replay.objects.create(
        destination=link.destination, origin=values.pop("origin", "log"), total=1, total_is_exact=True, user_key="u"
    )
    return Lane.objects.create(
        connection=link,
        number=event.lane,
        replay=replay.pk,
        xid=event.xid,
        position=event.position - 1,
        day=event.day,
        end_xid=end.xid,
        end_position=end.position,
        **values,
    )


def test_a_replay_keeps_the_days_it_has_not_come_through(
    raw: Connection, link: Link, write_ago: WriteAgo, today: date
) -> None:
    for age in (9, 8, 7):
        write_ago(link.source, age, "u")
    tally.roll_up_all(raw)
    deliver_all(link)
    _, second, third = Event.objects.order_by("xid")
    lane = replay_lane(link, second, third)
    assert needs(raw, today) == [(8, f"web -> hook, replay {lane.replay}", "pending")]
    assert retention.drop_old(raw) == 1
    Lane.objects.filter(pk=lane.pk).update(xid=second.xid, position=second.position, delivered=1)
    assert retention.drop_old(raw) == 2
    assert counts(link) == {"accepted": 3, "delivered": 3}


def test_a_replay_of_dead_letters_and_one_that_is_cancelled_need_no_log(
    raw: Connection, link: Link, write_ago: WriteAgo
) -> None:
    for age in (9, 8):
        write_ago(link.source, age, "u")
    tally.roll_up_all(raw)
    deliver_all(link)
    replay_lane(link, *Event.objects.order_by("xid"), origin="dead_letters")
    lane = replay_lane(link, *Event.objects.order_by("xid"))
    assert retention.drop_old(raw) == 0
    Replay.objects.filter(pk=lane.replay).update(state="cancelled", ended_at=timezone.now())
    assert retention.drop_old(raw) == 2


@pytest.mark.usefixtures("drop_policy")
def test_by_policy_a_replay_gives_up_only_what_it_has_chosen(raw: Connection, link: Link, write_ago: WriteAgo) -> None:
    write_ago(link.source, 9, "u", "u", "u", "u")
    tally.roll_up_all(raw)
    deliver_all(link)
    events = list(Event.objects.order_by("position"))
    lane = replay_lane(link, events[0], events[3], picks=[[event.xid, event.position] for event in events[1:]])
    assert retention.drop_old(raw) == 1
    lane.refresh_from_db()
    assert (lane.skipped, (lane.xid, lane.position)) == (2, (events[2].xid, events[2].position))
    assert counts(link) == {"accepted": 4, "delivered": 4}
    assert not RetentionSkip.objects.exists()
