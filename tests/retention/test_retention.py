"""What is still owed keeps its day, or is given up by policy and counted; the equation holds before and after."""

import io
import json
import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from psycopg2.extensions import connection as Connection  # noqa: N812
from structlog.testing import capture_logs

from destinations import checkpoint, lanes
from destinations import retention as giving_up
from destinations.models import Connection as Link
from destinations.models import Delivery, Destination, Health, Lane, Replay, RetentionSkip
from ingest import partitions, retention, tally
from ingest.hashing import lane_of
from ingest.models import Event, Source
from ingest.retention import Keeper, Need
from tests.retention.conftest import KEPT_DAYS, WriteAgo
from tests.retention.log import counts, days, deliver, deliver_all


@pytest.fixture
def drop_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.ENV, "RETENTION_POLICY", "drop")


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


@pytest.mark.usefixtures("drop_policy")
def test_by_policy_what_is_owed_is_given_up_and_counted(raw: Connection, link: Link, write_ago: WriteAgo) -> None:
    write_ago(link.source, 9, "u", "u", "v")
    write_ago(link.source, 8, "u")
    write_ago(link.source, 3, "u", "v")
    tally.roll_up_all(raw)
    row = hold(link, Event.objects.filter(user_key="v").order_by("xid")[0])
    late = hold(link, Event.objects.filter(user_key="v").order_by("xid")[1], "waiting")
    assert counts(link) == {"accepted": 6, "failed": 1, "waiting": 1, "pending": 4}
    assert "given up what is owed to web -> hook (failed since" in retention.look(raw)[0]
    with capture_logs() as logs:
        assert retention.drop_old(raw) == 2
    assert [(line["event"], line.get("count")) for line in logs] == [
        ("events.given_up", 3),
        ("partition.dropped", None),
        ("events.given_up", 1),
        ("partition.dropped", None),
    ]
    assert counts(link) == {"accepted": 6, "skipped": 4, "waiting": 1, "pending": 1}
    row.refresh_from_db()
    late.refresh_from_db()
    assert (row.state, row.reason, row.next_attempt_at) == ("skipped", "retention", None)
    assert late.state == "waiting"
    assert [skip.events for skip in RetentionSkip.objects.order_by("day")] == [3, 1]


@pytest.mark.usefixtures("drop_policy")
def test_what_was_accepted_while_switched_off_is_filtered_not_given_up(
    raw: Connection, link: Link, write_ago: WriteAgo
) -> None:
    write_ago(link.source, 9, "u")
    link.enabled = False
    link.save()
    write_ago(link.source, 9, "u", "u")
    link.enabled = True
    link.save()
    write_ago(link.source, 9, "u")
    tally.roll_up_all(raw)
    Lane.objects.filter(number=lane_of("u")).update(filtered={"disabled": 1, "integrations": 2})
    assert retention.drop_old(raw) == 1
    assert Lane.objects.get(number=lane_of("u")).filtered == {"disabled": 3, "integrations": 2}
    assert RetentionSkip.objects.get().events == 2


@pytest.mark.usefixtures("drop_policy")
def test_a_link_at_work_loses_its_claim_and_its_last_checkpoint_counts(
    raw: Connection, link: Link, write_ago: WriteAgo
) -> None:
    write_ago(link.source, 9, "u", "u", "u")
    tally.roll_up_all(raw)
    token = lanes.open_claim(raw, link.destination_id, "somewhere else", 1, 60)
    assert token is not None
    (lane,) = lanes.take(raw, token, link.destination_id, 1)
    first, *_ = Event.objects.order_by("position")
    lane.progress.read((first.xid, first.position), first.day.isoformat())
    lane.progress.deliver((first.xid, first.position))
    assert checkpoint.write(raw, token, 1, checkpoint.progress_json([lane]), checkpoint.Changes())
    assert retention.drop_old(raw) == 1
    assert counts(link) == {"accepted": 3, "delivered": 1, "skipped": 2}
    assert not lanes.renew(raw, token, 60)
    assert not checkpoint.write(raw, token, 2, checkpoint.progress_json([lane]), checkpoint.Changes())


@pytest.mark.usefixtures("drop_policy")
def test_a_lane_that_is_claimed_again_at_once_keeps_its_day_for_now(
    raw: Connection, link: Link, write_ago: WriteAgo, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ago(link.source, 9, "u")
    tally.roll_up_all(raw)
    Lane.objects.update(claim_id=77)
    monkeypatch.setattr(lanes, "revoke", lambda *_: None)
    assert retention.drop_old(raw) == 0
    assert counts(link) == {"accepted": 1, "pending": 1}
    Lane.objects.update(claim_id=None)
    assert retention.drop_old(raw) == 1
    assert counts(link) == {"accepted": 1, "skipped": 1}


@pytest.mark.usefixtures("drop_policy")
def test_what_was_accepted_with_a_days_last_events_goes_with_them(
    raw: Connection, link: Link, write_ago: WriteAgo
) -> None:
    write_ago(link.source, KEPT_DAYS, "u", "u")  # after midnight, while the statement of the other was on its way
    write_ago(link.source, KEPT_DAYS + 1, "u")
    write_ago(link.source, KEPT_DAYS, "u")
    tally.roll_up_all(raw)
    assert retention.drop_old(raw) == 1
    assert counts(link) == {"accepted": 4, "skipped": 3, "pending": 1}
    assert RetentionSkip.objects.get().events == 3


def test_a_lane_that_changed_since_it_was_read_is_not_settled(
    raw: Connection, link: Link, write_ago: WriteAgo, today: date
) -> None:
    write_ago(link.source, 9, "u")
    with raw.cursor() as cursor:
        cursor.execute(giving_up._LANE, [Lane.objects.get(number=lane_of("u")).pk])
        lane = giving_up._Lane(*(cursor.fetchone() or ()))
        deliver(link, Event.objects.get())
        assert giving_up._settle_read(cursor, lane, today - timedelta(days=9)) is None
    assert counts(link) == {"accepted": 1, "delivered": 1}


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


def test_others_can_need_days_too_and_be_made_to_give_up(
    raw: Connection, source: Source, write_ago: WriteAgo, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ago(source, 9, "u")
    tally.roll_up_all(raw)
    wanted = [Need(partitions.today(raw) - timedelta(days=9), "replay 1", "replayed")]
    monkeypatch.setitem(
        retention._keepers, "replays", Keeper(lambda _raw, _through: wanted, lambda _raw, _through: len(wanted.copy()))
    )
    assert retention.drop_old(raw) == 0
    monkeypatch.setitem(settings.ENV, "RETENTION_POLICY", "drop")
    assert retention.drop_old(raw) == 0, "it gave nothing up"
    wanted.clear()
    assert retention.drop_old(raw) == 1


def test_a_keeper_that_gives_up_lets_the_day_go(
    raw: Connection, source: Source, write_ago: WriteAgo, monkeypatch: pytest.MonkeyPatch, drop_policy: None
) -> None:
    write_ago(source, 9, "u")
    tally.roll_up_all(raw)
    wanted = [Need(partitions.today(raw) - timedelta(days=9), "replay 1", "replayed")]

    def give_up(_: Connection, through: date) -> int:
        assert through == wanted[0].day
        wanted.clear()
        return 1

    monkeypatch.setitem(retention._keepers, "replays", Keeper(lambda _raw, _through: list(wanted), give_up))
    assert retention.drop_old(raw) == 1


@pytest.mark.parametrize("policy", ["keep", "drop"])
@pytest.mark.parametrize("seed", range(2))
def test_the_equation_holds_whatever_is_dropped(
    raw: Connection,
    source: Source,
    write_ago: WriteAgo,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    policy: str,
) -> None:
    """Days go by; connections come, forward some of what they are owed, and keep some as rows; old days go."""
    monkeypatch.setattr(tally, "STEP_EVENTS", 4)
    monkeypatch.setattr(tally, "MILESTONE_EVENTS", 8)
    monkeypatch.setitem(settings.ENV, "RETENTION_POLICY", policy)
    chance, users = random.Random(f"{seed} {policy}"), ["a", "b", "mate63", "c"]
    links: list[Link] = []
    now = partitions.today(raw)
    for age in range(14, -1, -1):
        today = now - timedelta(days=age)
        monkeypatch.setattr(partitions, "today", lambda _, today=today: today)
        for number in range(chance.randint(1, 4)):
            late = number == 1 and chance.random() < 0.3  # its statement began before midnight
            write_ago(source, age + late, *chance.choices(users, k=chance.randint(1, 6)))
            if chance.random() < 0.4:
                tally.roll_up_all(raw)
        if chance.random() < 0.3 or age == 13:
            hook = Destination.objects.create(name=f"hook{age}", type="webhook")
            links.append(Link.objects.create(source=source, destination=hook))
        for link in links:
            _forward_some(link, chance)
        if chance.random() < 0.5:
            _drop_and_compare(raw, links)
    tally.roll_up_all(raw)
    _drop_and_compare(raw, links)
    if policy == "drop":
        assert max(days(raw)) <= KEPT_DAYS


def _forward_some(link: Link, chance: random.Random) -> None:
    link.refresh_from_db()
    for lane in Lane.objects.filter(connection=link, number__in=[lane_of(user) for user in ("a", "b", "c")]):
        events = Event.objects.filter(source_id=link.source_id, lane=lane.number).order_by("xid", "position")
        ahead = [e for e in events if (e.xid, e.position) > (lane.xid, lane.position)]
        open_ = [e for e in ahead if [e.xid, e.position] not in lane.beyond]
        if not open_ or chance.random() < 0.5:
            continue
        upto = chance.choice(ahead)
        passed = [e for e in open_ if (e.xid, e.position) <= (upto.xid, upto.position)]
        kept = [e for e in passed if chance.random() < 0.2]
        for event in kept:
            hold(link, event)
        rest = [[e.xid, e.position] for e in ahead if (e.xid, e.position) > (upto.xid, upto.position)]
        beyond = [place for place in rest if place in lane.beyond or chance.random() < 0.2]
        newly_beyond = len([place for place in beyond if place not in lane.beyond])
        Lane.objects.filter(pk=lane.pk).update(
            xid=upto.xid,
            position=upto.position,
            day=upto.day,
            beyond=beyond,
            delivered=lane.delivered + len(passed) - len(kept) + newly_beyond,
        )


def _drop_and_compare(raw: Connection, links: list[Link]) -> None:
    owed = ("pending", "failed", "waiting", "skipped", "filtered")
    before = [counts(link) for link in links]
    retention.drop_old(raw)
    for link, old in zip(links, before, strict=True):
        new = counts(link)
        assert "difference" not in old, old
        assert "difference" not in new, (old, new)
        assert {k: v for k, v in new.items() if k not in owed} == {k: v for k, v in old.items() if k not in owed}
        assert sum(new.get(name, 0) for name in owed) == sum(old.get(name, 0) for name in owed)
        if settings.ENV["RETENTION_POLICY"] == "keep":
            assert new == old
        else:
            skips = RetentionSkip.objects.filter(connection=link).values_list("events", flat=True)
            assert new.get("skipped", 0) == sum(skips)
