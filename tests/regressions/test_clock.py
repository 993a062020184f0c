"""Clocks that are wrong: retries keep to the database's, and one that is put back stops nothing."""

from contextlib import closing
from datetime import timedelta

import pytest
from django.db import connection
from redis import Redis

from destinations import control as clocks
from destinations.retry import RetryPolicy
from destinations.sweep import sweep
from ingest.statements import insert_events, insert_statement
from rudderproj import db
from tests.forwarding.workers import eventually, forwarding, limits, run_once
from tests.forwarding.world import World

SLOW = RetryPolicy(window_seconds=3600, attempts=3, base_seconds=3600, max_seconds=3600)


@pytest.mark.parametrize("minutes", [-120, 120])
def test_a_worker_whose_clock_is_wrong_neither_hammers_nor_forgets(
    world: World, minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = clocks.utc_now
    monkeypatch.setattr(clocks, "utc_now", lambda: right() + timedelta(minutes=minutes))
    world.append("u", "u0", answers=[500, 200])

    with forwarding([world.destination], chosen=limits(retry=SLOW)):
        assert eventually(lambda: world.rows(state="failed"))
        (row,) = world.rows()
        assert row.first_failed_at is not None
        assert row.next_attempt_at is not None
        assert abs(row.first_failed_at - right()) < timedelta(minutes=5)
        assert timedelta(0) <= row.next_attempt_at - row.first_failed_at <= timedelta(hours=1)
    assert world.balance()["difference"] == 0


def test_a_clock_that_was_put_back_does_not_stop_the_sweep(world: World, broker: Redis) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO destinations_sweep (id, ran_at) VALUES (1, now() + interval '1 hour')")
    world.append("u", "u0")

    sweep()

    with connection.cursor() as cursor:
        cursor.execute("SELECT ran_at <= now() FROM destinations_sweep")
        assert cursor.fetchall() == [(True,)]


def test_what_is_stored_after_the_clock_was_ahead_by_days_is_sent(world: World) -> None:
    """Links look at the days from their cursor's on: an event with an earlier one would be seen by nobody."""
    world.append("u", "before")
    run_once(world.destination)
    with closing(db.connect("ahead", 10)) as raw:
        insert_events(raw, [world.event("u", "ahead")], insert_statement("(now() + interval '2 days')"))
    run_once(world.destination)
    world.append("u", "after")
    run_once(world.destination)
    assert world.sink.ids() == ["before", "ahead", "after"]
