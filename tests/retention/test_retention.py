"""What is still owed keeps its day, whoever it is owed to, and a person is told before it goes."""

import io
import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from psycopg2.extensions import connection as Connection  # noqa: N812
from structlog.testing import capture_logs

from destinations.models import Connection as Link
from destinations.models import Delivery, Destination, Health, Lane
from ingest import retention, tally
from ingest.models import Event
from tests.retention.conftest import KEPT_DAYS, WriteAgo
from tests.retention.log import counts, days, deliver, deliver_all, hold, needs


def test_a_day_with_an_event_that_is_owed_stays_and_so_do_the_days_after_it(
    raw: Connection, link: Link, write_ago: WriteAgo, today: date
) -> None:
    write_ago(link.source, 9, "u")
    write_ago(link.source, 8, "v")
    write_ago(link.source, 7, "w")
    tally.roll_up_all(raw)
    first, second, third = Event.objects.order_by("xid")
    assert retention.drop_old(raw) == 0
    assert needs(raw, today) == [(9, "web -> hook", "pending")]
    deliver(link, first)
    deliver(link, third)
    assert retention.drop_old(raw) == 1
    assert days(raw) == [8, 7, 1]
    assert retention.look(raw)[0] == (f"{second.day} kept: needed by web -> hook (pending since {second.day})")
    deliver(link, second)
    assert retention.drop_old(raw) == 2
    assert counts(link) == {"accepted": 3, "delivered": 3}


def test_an_idle_lane_keeps_nothing(raw: Connection, link: Link, write_ago: WriteAgo) -> None:
    for age in (30, 20, 10):
        write_ago(link.source, age, "u")
    tally.roll_up_all(raw)
    deliver_all(link)
    assert Lane.objects.filter(connection=link, day__lt=timezone.now().date() - timedelta(days=10)).count() == 63
    assert retention.drop_old(raw) == 3


@pytest.mark.parametrize("policy", ["keep", "drop"])
def test_an_event_settled_beyond_the_cursor_stays_until_the_cursor_passed_it(
    raw: Connection, link: Link, write_ago: WriteAgo, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    monkeypatch.setitem(settings.ENV, "RETENTION_POLICY", policy)
    write_ago(link.source, KEPT_DAYS, "u")
    write_ago(link.source, KEPT_DAYS + 1, "u")
    tally.roll_up_all(raw)
    open_, beyond = Event.objects.order_by("xid")
    Lane.objects.filter(number=open_.lane).update(beyond=[[beyond.xid, beyond.position]], delivered=1)
    if policy == "keep":
        assert retention.drop_old(raw) == 0
        assert counts(link) == {"accepted": 2, "delivered": 1, "pending": 1}
        Lane.objects.filter(number=open_.lane).update(xid=beyond.xid, position=beyond.position, beyond=[], delivered=2)
    assert retention.drop_old(raw) == 1
    assert Lane.objects.get(number=open_.lane).beyond == []
    rest = {"delivered": 2} if policy == "keep" else {"delivered": 1, "skipped": 1}
    assert counts(link) == {"accepted": 2} | rest


@pytest.mark.parametrize("state", ["failed", "waiting"])
def test_a_row_that_is_not_final_keeps_its_day(
    raw: Connection, link: Link, write_ago: WriteAgo, today: date, state: str
) -> None:
    write_ago(link.source, 9, "u")
    tally.roll_up_all(raw)
    row = hold(link, Event.objects.get(), state)
    assert retention.drop_old(raw) == 0
    assert needs(raw, today) == [(9, "web -> hook", "failed")]
    Delivery.objects.filter(pk=row.pk).update(state="aborted", next_attempt_at=None, payload="{}")
    assert retention.drop_old(raw) == 1
    assert Delivery.objects.get().payload == "{}", "a dead letter has a copy"


@pytest.mark.parametrize(
    ("change", "because"),
    [
        (lambda: Health.objects.update(state="paused"), "pending, paused"),
        (lambda: Health.objects.update(state="held"), "pending, held"),
        (lambda: Link.objects.update(enabled=False), "pending, disabled"),
        (lambda: Destination.objects.update(enabled=False), "pending, disabled"),
    ],
)
def test_who_is_stopped_is_owed_all_the_same(
    raw: Connection, link: Link, write_ago: WriteAgo, today: date, change: Callable[[], Any], because: str
) -> None:
    write_ago(link.source, 9, "u")
    tally.roll_up_all(raw)
    change()
    assert retention.drop_old(raw) == 0
    assert needs(raw, today) == [(9, "web -> hook", because)]


def test_an_event_that_carries_yesterdays_date_behind_one_of_today_is_owed(
    raw: Connection, link: Link, write_ago: WriteAgo
) -> None:
    write_ago(link.source, 8, "u")  # began first, and committed with the later date
    write_ago(link.source, 9, "u")
    tally.roll_up_all(raw)
    later, earlier = Event.objects.order_by("xid")
    assert later.day > earlier.day
    deliver(link, later)
    assert retention.drop_old(raw) == 0
    deliver(link, earlier)
    assert retention.drop_old(raw) == 2


def test_a_person_is_told_before(raw: Connection, link: Link, write_ago: WriteAgo, today: date) -> None:
    write_ago(link.source, KEPT_DAYS - 2, "u")
    assert retention.warn(raw) == 0
    write_ago(link.source, KEPT_DAYS - 1, "u")
    with capture_logs() as logs:
        assert retention.warn(raw) == 1
    day = today - timedelta(days=KEPT_DAYS - 1)
    (line,) = logs
    assert {key: line[key] for key in line if key not in {"event", "log_level"}} == {
        "policy": "keep",
        "oldest_day": str(day),
        "goes_on": str(today + timedelta(days=2)),
        "needed_by": [f"web -> hook (pending since {day})"],
        "count": 1,
    }
    assert line["event"] == "retention.neared"


def test_status_tells_who_is_owed_what_is_about_to_go(link: Link, write_ago: WriteAgo, today: date) -> None:
    write_ago(link.source, 9, "u")
    day = today - timedelta(days=9)
    goes_on = day + timedelta(days=KEPT_DAYS + 1)
    out = io.StringIO()
    call_command("status", "--json", stdout=out)
    assert json.loads(out.getvalue())["retention"] == {
        "days": KEPT_DAYS,
        "policy": "keep",
        "needed": [{"day": str(day), "by": "web -> hook", "because": "pending", "goes_on": str(goes_on)}],
    }
    out = io.StringIO()
    call_command("status", stdout=out)
    assert out.getvalue().splitlines()[-1] == (
        f"web -> hook is owed events of {day} (pending), which is too old on {goes_on}:"
        " it is kept, and so is what follows it"
    )


def test_today_and_yesterday_are_never_warned_about(
    raw: Connection, link: Link, write_ago: WriteAgo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.ENV, "RETENTION_WARNING_DAYS", 100)
    write_ago(link.source, 1, "u")
    write_ago(link.source, 0, "u")
    assert retention.nearing(raw) == []
