"""Samples of where every event was: one an interval, thinned out with age, read back step by step."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import orjson
import pytest
from django.db import connection
from django.utils import timezone
from psycopg2.extensions import connection as Raw  # noqa: N812

from destinations import history, tallies
from destinations.history import Figures, OfConnection, Snapshot
from destinations.lanes import LANE_ROWS
from destinations.models import Connection, Delivery, Destination, Lane, Sample
from ingest.models import Event, Source

Write = Callable[..., None]


def put(at: datetime, took_seconds: float | None = 0.01, accepted: int = 0) -> None:
    """A sample as it would stand in the table."""
    slot = int(at.timestamp()) // history.INTERVAL_SECONDS
    counts = Snapshot(at, {1: accepted}).as_json() if took_seconds is not None else None
    Sample.objects.create(slot=slot, taken_at=at, took_seconds=took_seconds, counts=counts)


def minutes_ago(minutes: float) -> datetime:
    """A moment at the beginning of a minute."""
    return timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=minutes)


def test_a_sample_holds_the_figures_of_every_connection(link: Connection, write: Write) -> None:
    write(link.source, [1, 1, 1, 2])
    first, second, _ = Event.objects.filter(lane=1).order_by("xid", "position")
    Lane.objects.filter(number=1).update(xid=second.xid, position=second.position, delivered=1)
    held = {"xid": first.xid, "position": first.position, "day": first.day, "message_id": first.message_id}
    Delivery.objects.create(
        connection=link, lane=1, user_key="u1", state="failed", next_attempt_at=timezone.now(), **held
    )
    Source.objects.create(name="idle", write_key="i")
    Event.objects.update(received_at=timezone.now() - timedelta(seconds=100))

    assert history.sample()

    found = history.latest()
    assert found is not None
    (row,) = found.connections
    assert (row.connection_id, row.source_id, row.destination_id) == (link.pk, link.source_id, link.destination_id)
    assert 100 <= row.figures.oldest_age_seconds < 160
    assert row.figures.oldest_pending_age_seconds == row.figures.oldest_age_seconds
    row.figures.oldest_age_seconds = row.figures.oldest_pending_age_seconds = 0.0
    assert row.figures == Figures(accepted=4, delivered=1, pending=2, failed=1)
    assert row.figures.difference == 0
    assert found.stored == {link.source_id: 4, Source.objects.get(name="idle").pk: 0}


def test_an_event_that_waits_for_its_retry_is_owed_and_does_not_wait_for_a_worker(
    link: Connection, write: Write
) -> None:
    write(link.source, [1, 2])
    first, second = Event.objects.order_by("xid", "position")
    Lane.objects.filter(number=1).update(xid=first.xid, position=first.position)
    held = {"xid": first.xid, "position": first.position, "day": first.day, "message_id": first.message_id}
    Delivery.objects.create(
        connection=link, lane=1, user_key="u1", state="failed", next_attempt_at=timezone.now(), **held
    )
    Event.objects.filter(xid=first.xid, position=first.position).update(
        received_at=timezone.now() - timedelta(seconds=7000)
    )
    Event.objects.filter(xid=second.xid, position=second.position).update(
        received_at=timezone.now() - timedelta(seconds=100)
    )

    assert history.sample()

    found = history.latest()
    assert found is not None
    assert 7000 <= found.total.oldest_age_seconds < 7060
    assert 100 <= found.total.oldest_pending_age_seconds < 160


def test_what_waits_in_a_lane_that_stopped_behind_retries_is_no_work_for_more_workers(
    link: Connection, write: Write
) -> None:
    write(link.source, [1] * (LANE_ROWS + 1))
    events = list(Event.objects.order_by("xid", "position"))
    held = [
        Delivery(
            connection=link,
            lane=1,
            user_key="u1",
            state="failed",
            next_attempt_at=timezone.now(),
            **{name: getattr(event, name) for name in ("xid", "position", "day", "message_id")},
        )
        for event in events[:LANE_ROWS]
    ]
    Delivery.objects.bulk_create(held[1:])
    Lane.objects.filter(number=1).update(xid=events[-2].xid, position=events[-2].position)
    with tallies.one_snapshot():
        before = tallies.count()[link.pk]
    held[0].save()
    with tallies.one_snapshot():
        after = tallies.count()[link.pk]

    assert (before.pending, before.oldest_pending_at) == (1, events[-1].received_at)
    assert (after.pending, after.oldest_pending_at) == (1, None)
    assert after.oldest_at == events[0].received_at


def test_a_sample_can_be_read_by_the_release_before_and_its_samples_by_this_one() -> None:
    now = timezone.now()
    figures = Figures(accepted=3, pending=2, oldest_age_seconds=9.0, oldest_pending_age_seconds=5.0)
    kept = Snapshot(now, {1: 3}, [OfConnection(1, 1, 7, figures)]).as_json()

    assert kept["connections"] == [[1, 1, 7, (3, 0, 2, 0, 0, 0, 0, 0, 9.0)]]  # nine, which it takes as they stand
    assert Snapshot.read(now, orjson.dumps(kept).decode()).total == figures
    del kept["pending_ages"]
    assert Snapshot.read(now, orjson.dumps(kept).decode()).total == Figures(3, 0, 2, 0, 0, 0, 0, 0, 9.0, 9.0)
    kept["connections"] = [[1, 1, 7, (3, 2, 0, 1, 0, 0, 0, 0, 9.0)]]  # one that waits for its retry, and no other
    assert Snapshot.read(now, orjson.dumps(kept).decode()).total == Figures(3, 2, 0, 1, 0, 0, 0, 0, 9.0, 0.0)


def test_of_many_who_sample_at_once_one_does(committed: None) -> None:
    start = threading.Barrier(6)
    done: list[bool] = []

    def ask() -> None:
        start.wait()
        done.append(history.sample())
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    slots = set(Sample.objects.values_list("slot", flat=True))

    assert 1 <= done.count(True) == len(slots) <= 2  # two when an interval ended meanwhile


def test_counting_that_takes_long_is_repeated_less_often(committed: None) -> None:
    put(timezone.now() - timedelta(seconds=30), took_seconds=2.0)
    assert not history.sample()

    Sample.objects.update(taken_at=timezone.now() - timedelta(seconds=41))
    assert history.sample()


@pytest.mark.parametrize("died_before_it", [False, True])
def test_one_count_that_was_held_up_keeps_nobody_from_the_next(committed: None, died_before_it: bool) -> None:
    put(timezone.now() - timedelta(seconds=120))
    if died_before_it:
        put(timezone.now() - timedelta(seconds=100), took_seconds=None)
    put(timezone.now() - timedelta(seconds=30), took_seconds=13.0)  # a failover: it waited for a standby
    assert history.sample()


def test_two_counts_that_take_long_are_one_that_does(committed: None) -> None:
    put(timezone.now() - timedelta(seconds=50))
    put(timezone.now() - timedelta(seconds=40), took_seconds=13.0)
    put(timezone.now() - timedelta(seconds=30), took_seconds=2.0)
    assert not history.sample()  # 40 seconds by the shorter


def test_who_died_while_counting_holds_nobody_up_for_long(committed: None) -> None:
    put(timezone.now() - timedelta(seconds=20), took_seconds=None)
    assert not history.sample()

    Sample.objects.update(taken_at=timezone.now() - timedelta(seconds=61))
    assert history.sample()
    assert history.latest() is not None


def test_what_was_counted_while_the_clock_was_ahead_holds_nobody_up_once_it_is_put_back(committed: None) -> None:
    before, ahead = timezone.now() - timedelta(seconds=30), timezone.now() + timedelta(hours=1)
    put(before)
    put(ahead)
    put(ahead + timedelta(seconds=10), took_seconds=None)  # whoever counted had not finished

    assert history.sample()

    slots = Sample.objects.order_by("slot").values_list("slot", flat=True)
    assert len(slots) == 2
    assert slots[0] == int(before.timestamp()) // history.INTERVAL_SECONDS
    assert slots[1] < int(ahead.timestamp()) // history.INTERVAL_SECONDS


def test_old_samples_are_thinned_out_to_one_a_minute_and_then_removed(committed: None) -> None:
    kept = [minutes_ago(1), minutes_ago(1) + timedelta(seconds=20), minutes_ago(130), minutes_ago(47 * 60)]
    gone = [minutes_ago(130) + timedelta(seconds=10), minutes_ago(130) + timedelta(seconds=50), minutes_ago(49 * 60)]
    for at in kept + gone:
        put(at)

    assert history.sample()

    assert sorted(Sample.objects.order_by("-taken_at").values_list("taken_at", flat=True)[1:]) == sorted(kept)


def test_a_series_is_the_last_sample_of_each_step(committed: None) -> None:
    start = minutes_ago(10)
    for seconds in range(0, 180, 10):
        put(start + timedelta(seconds=seconds), accepted=seconds)
    put(start + timedelta(seconds=180), took_seconds=None)

    found = history.series(start, 60)

    assert [(point.at, point.stored[1]) for point in found] == [
        (start + timedelta(seconds=seconds), seconds) for seconds in (50, 110, 170)
    ]
    assert [point.stored[1] for point in history.series(start + timedelta(seconds=120), 10)] == list(
        range(120, 180, 10)
    )


def test_figures_are_added_up_by_destination_with_the_largest_age() -> None:
    rows = [
        OfConnection(1, 1, 7, Figures(accepted=3, delivered=1, pending=2, oldest_age_seconds=5.0)),
        OfConnection(2, 2, 7, Figures(accepted=4, delivered=3, aborted=1, oldest_pending_age_seconds=4.0)),
        OfConnection(3, 2, 8, Figures(accepted=1, filtered=1)),
    ]
    found = Snapshot(timezone.now(), {}, rows)

    assert found.by_destination() == {
        7: Figures(
            accepted=7, delivered=4, pending=2, aborted=1, oldest_age_seconds=5.0, oldest_pending_age_seconds=4.0
        ),
        8: Figures(accepted=1, filtered=1),
    }
    assert found.total == Figures(
        accepted=8,
        delivered=4,
        pending=2,
        aborted=1,
        filtered=1,
        oldest_age_seconds=5.0,
        oldest_pending_age_seconds=4.0,
    )
    assert Snapshot(found.at).total == Figures()


@pytest.mark.parametrize(("age_seconds", "samples"), [(14, 1), (16, 0)])
def test_a_reader_samples_by_itself_only_when_nobody_else_does(
    committed: None, age_seconds: float, samples: int
) -> None:
    put(timezone.now() - timedelta(seconds=15))

    found = history.at_most(age_seconds)

    assert Sample.objects.count() == 1 + samples
    assert (timezone.now() - found.at < timedelta(seconds=10)) is bool(samples)


def test_a_reader_does_not_go_by_a_sample_of_a_time_that_is_still_to_come(committed: None) -> None:
    put(timezone.now() + timedelta(hours=1))

    found = history.at_most(3600)

    assert abs(timezone.now() - found.at) < timedelta(seconds=10)
    assert Sample.objects.count() == 1, "the other one is gone"


def test_the_number_of_queries_does_not_grow_with_the_destinations(raw: Raw, source: Source) -> None:
    def queries() -> int:
        Sample.objects.all().delete()
        with connection.execute_wrapper(counting):
            seen.clear()
            assert history.sample()
        return len(seen)

    def counting(execute: Callable[..., object], *arguments: object) -> object:
        seen.append(1)
        return execute(*arguments)

    seen: list[int] = []
    few = queries()
    for number in range(20):
        made = Destination.objects.create(name=f"d{number}", type="webhook")
        Connection.objects.create(source=source, destination=made)

    assert queries() == few
