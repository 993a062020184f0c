"""Replays beside retention and forgetting: what is gone is not sent, and every event chosen is accounted for."""

import pytest
from django.conf import settings
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations.forget.run import forget
from destinations.models import Replay
from destinations.replay import steer
from ingest import retention, tally
from tests.forget.conftest import Store, sink, store, world
from tests.forwarding.world import World
from tests.replay.replays import DEAD_LETTERS, deliver, numbers, run, start
from tests.retention.log import counts, days

__all__ = ["sink", "store", "world"]


def test_a_paused_replay_keeps_its_days_or_gives_them_up_and_finishes(
    world: World, raw: Connection, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age in (9, 8, 3):
        for user in "abc":
            store(age, anonymousId=user)
    deliver(world)
    tally.roll_up_all(raw)
    before = counts(world.connection)
    assert before == {"accepted": 9, "delivered": 9}
    replay = start(world)
    steer.pause(replay.pk, "ada")
    assert retention.drop_old(raw) == 0
    assert [(need.by, need.because) for need in retention.nearing(raw)] == [
        (f"source of hook -> hook, replay {replay.pk}", "pending")
    ]
    monkeypatch.setitem(settings.ENV, "RETENTION_POLICY", "drop")
    assert retention.drop_old(raw) == 2
    assert days(raw) == [3, 1]
    steer.resume(replay.pk, "ada")
    run(world, replay)
    assert numbers(replay, "total", "skipped", "delivered", "pending") == [9, 6, 3, 0]
    assert counts(world.connection) == before
    assert len(world.sink.arrivals) == 12


def test_a_replay_that_has_finished_keeps_nothing(world: World, raw: Connection, store: Store) -> None:
    store(9, anonymousId="a")
    deliver(world)
    tally.roll_up_all(raw)
    run(world, start(world))
    assert retention.drop_old(raw) == 1


@pytest.mark.parametrize("origin", ["log", DEAD_LETTERS])
def test_a_replay_never_sends_what_was_forgotten(world: World, origin: Replay.Origin) -> None:
    world.append("ada", "a1", "a2", answers=[400])
    world.append("bob", "b1", answers=[400])
    deliver(world)
    assert counts(world.connection) == {"accepted": 3, "aborted": 3}
    replay = start(world, origin=origin)
    forget("ada", actor="eve")
    sent = len(world.sink.arrivals)
    run(world, replay)
    assert [arrival.message_id for arrival in world.sink.arrivals[sent:]] == ["b1"]
    assert numbers(replay, "total", "filtered", "aborted", "pending") == [3, 2, 1, 0]
    assert "difference" not in counts(world.connection)
