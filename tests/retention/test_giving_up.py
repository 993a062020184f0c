"""By policy what is owed goes with its day, and is counted: no claim, row or keeper is passed over in silence."""

from datetime import date, timedelta

import pytest
from django.conf import settings
from psycopg2.extensions import connection as Connection  # noqa: N812
from structlog.testing import capture_logs

from destinations import checkpoint, lanes
from destinations import retention as giving_up
from destinations.models import Connection as Link
from destinations.models import Lane, RetentionSkip
from ingest import partitions, retention, tally
from ingest.hashing import lane_of
from ingest.models import Event, Source
from ingest.retention import Keeper, Need
from tests.retention.conftest import KEPT_DAYS, WriteAgo
from tests.retention.log import counts, deliver, hold


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
