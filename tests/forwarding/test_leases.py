"""Claims that are lost: their holder writes and sends nothing more; what was not written is read again."""

import threading
from typing import Any

import pytest
from django.db import connection as database
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations import checkpoint, due, errand, lanes, link, reader
from destinations.checkpoint import Changes, Row
from destinations.lanes import ClaimedLane, Which
from destinations.models import Checkpoint, Claim, Lane
from ingest.models import LANES
from rudderproj import db
from tests.forwarding.workers import eventually, forwarding, limits
from tests.forwarding.world import World
from tests.race import below_horizon


def claim(raw: Connection, world: World, seconds: float = 60.0) -> int:
    token = lanes.open_claim(raw, world.destination.pk, "test", 8, seconds)
    assert token is not None
    return token


def claimed(raw: Connection, world: World, seconds: float = 60.0) -> tuple[int, ClaimedLane]:
    world.append("u", "u0", "u1", "u2")
    below_horizon()
    token = claim(raw, world, seconds)
    (lane,) = lanes.take(raw, token, world.destination.pk, 64)
    return token, lane


def advance(lane: ClaimedLane, world: World) -> Changes:
    """Deliver the first event and keep the second as a row."""
    with database.cursor() as cursor:
        cursor.execute("SELECT xid, position, day, message_id FROM ingest_event ORDER BY xid, position")
        first, second, _ = cursor.fetchall()
    for xid, position, day, _ in (first, second):
        lane.progress.read((xid, position), day.isoformat())
    lane.progress.deliver(first[:2])
    lane.progress.settle(second[:2])
    changes = Changes()
    changes.put(
        Row(lane.connection_id, lane.number, "u", second[0], second[1], second[2].isoformat(), second[3], "waiting", "")
    )
    return changes


def expire() -> None:
    with database.cursor() as cursor:
        cursor.execute("UPDATE destinations_claim SET expires_at = clock_timestamp() - interval '1 second'")


def write(raw: Connection, token: int, lane: ClaimedLane, seq: int, changes: Changes) -> bool:
    return checkpoint.write(raw, token, seq, checkpoint.progress_json([lane]), changes)


def test_a_lane_belongs_to_one_claim_at_a_time(world: World, raw: Connection) -> None:
    claimed(raw, world)
    assert lanes.take(raw, claim(raw, world), world.destination.pk, 64) == []


def test_no_more_claims_than_slots(world: World, raw: Connection) -> None:
    assert [lanes.open_claim(raw, world.destination.pk, "test", 2, 60) is not None for _ in range(3)] == [
        True,
        True,
        False,
    ]


def test_a_checkpoint_counts_at_once_for_whoever_looks(world: World, raw: Connection) -> None:
    token, lane = claimed(raw, world)
    assert write(raw, token, lane, 1, advance(lane, world))
    terms = world.balance()
    assert (terms["delivered"], terms["waiting"], terms["pending"], terms["difference"]) == (1, 1, 1, 0)
    assert Lane.objects.get(pk=lane.id).delivered == 0


@pytest.mark.parametrize("how", ["expired", "gone"])
def test_a_stale_token_writes_nothing_at_all(world: World, raw: Connection, how: str) -> None:
    token, lane = claimed(raw, world)
    changes = advance(lane, world)
    expire()
    if how == "gone":
        assert lanes.recover(raw, world.destination.pk) == 1

    assert not write(raw, token, lane, 1, changes)
    assert not lanes.release(raw, token, [lane])
    assert not lanes.renew(raw, token, 60)
    assert lanes.take(raw, token, world.destination.pk, 64) == []
    assert (world.rows(), Checkpoint.objects.count(), Lane.objects.get(pk=lane.id).delivered) == ([], 0, 0)
    assert world.balance()["pending"] == 3


def test_two_writers_under_one_token_cannot_both_go_on(world: World, raw: Connection) -> None:
    token, lane = claimed(raw, world)
    changes = advance(lane, world)
    assert write(raw, token, lane, 1, Changes())
    assert not write(raw, token, lane, 1, changes)
    assert world.rows() == []


def test_a_lost_claim_is_recovered_as_of_its_last_checkpoint(world: World, raw: Connection) -> None:
    token, lane = claimed(raw, world)
    write(raw, token, lane, 1, advance(lane, world))
    expire()

    assert lanes.recover(raw, world.destination.pk) == 1
    stored = Lane.objects.get(pk=lane.id)
    assert ((stored.xid, stored.position), stored.delivered, stored.claim_id) == (lane.progress.cursor, 1, None)
    assert (Claim.objects.count(), Checkpoint.objects.count()) == (0, 0)
    assert world.balance()["difference"] == 0


def test_a_checkpoint_keeps_what_was_done_and_other_lanes_stay_as_their_rows_say(world: World, raw: Connection) -> None:
    token, lane = claimed(raw, world)
    spare = lanes.take(raw, token, world.destination.pk, 64, Which.SPARE)
    advance(lane, world)
    with database.cursor() as cursor:
        cursor.execute("UPDATE destinations_lane SET delivered = 5 WHERE id = %s", [spare[0].id])

    assert checkpoint.write(raw, token, 1, checkpoint.progress_json([lane, *spare]), Changes())

    assert [list(one.lanes) for one in Checkpoint.objects.all()] == [[str(lane.id)]]
    expire()
    lanes.recover(raw, world.destination.pk)
    assert dict(Lane.objects.filter(delivered__gt=0).values_list("pk", "delivered")) == {lane.id: 1, spare[0].id: 5}


def test_a_checkpoint_on_its_way_is_not_lost_by_whoever_takes_over(world: World, raw: Connection) -> None:
    token, lane = claimed(raw, world)
    changes = advance(lane, world)
    other = db.connect("other", 10)
    raw.autocommit = False
    with raw.cursor() as cursor:
        cursor.execute(f"{lanes.FENCE}", {"token": token})
    expire()
    recovering = threading.Thread(target=lanes.recover, args=[other, world.destination.pk])
    recovering.start()
    with raw.cursor() as cursor:
        cursor.execute(
            "INSERT INTO destinations_checkpoint (claim_id, seq, lanes) VALUES (%s, 1, %s)",
            [token, checkpoint.progress_json([lane])],
        )
    raw.commit()
    raw.autocommit = True
    recovering.join(10)
    other.close()
    assert not recovering.is_alive()
    assert Lane.objects.get(pk=lane.id).delivered == 1
    assert changes.rows


def test_an_action_by_hand_takes_the_lanes_away_and_the_holder_notices(world: World, raw: Connection) -> None:
    token, lane = claimed(raw, world)
    write(raw, token, lane, 1, advance(lane, world))
    lanes.revoke(raw, world.destination.pk)
    assert not write(raw, token, lane, 2, Changes())
    assert Lane.objects.get(pk=lane.id).claim_id is None


def test_claims_taken_away_from_links_at_work_cost_at_most_repeats(world: World, raw: Connection) -> None:
    world.many(users=60, each=40)
    stolen = 0
    with forwarding([world.destination], threads=3):
        for wanted in range(200, 2000, 300):
            assert world.sink.wait_for(lambda sink, wanted=wanted: len(sink.arrivals) > wanted)  # type: ignore[misc]
            lanes.revoke(raw, world.destination.pk)
            stolen += 1
            assert world.balance()["difference"] == 0
        assert eventually(world.is_settled)

    report = world.report()
    assert (report.lost, report.unexpected) == ([], [])
    assert world.balance()["delivered"] == 2400
    # Between two checkpoints a link sends for CHECKPOINT_SECONDS, or CHECKPOINT_EVENTS and what is in flight. Two share
    # the destination, and one may have stepped aside.
    assert len(report.duplicates) <= stolen * 3 * (200 + 64)
    # A repeat of an earlier event is no disorder; a first arrival before an earlier one was done is.
    assert report.out_of_order == []


def test_a_link_whose_lease_ran_out_drops_everything_and_the_next_one_repeats_little(world: World) -> None:
    world.many(users=20, each=100)
    with forwarding([world.destination], threads=2, chosen=limits(claim_seconds=1.0)):
        for _ in range(3):
            assert eventually(lambda: Claim.objects.exists() or world.is_settled())
            expire()
        assert eventually(world.is_settled)
    report = world.report()
    assert report.is_clean, report


def test_one_claim_may_stand_aside_and_leave_its_slot(world: World, raw: Connection) -> None:
    first = claim(raw, world)
    lanes.step_aside(raw, first)
    second = lanes.open_claim(raw, world.destination.pk, "test", 1, 60)
    assert second is not None
    lanes.step_aside(raw, second)
    assert lanes.open_claim(raw, world.destination.pk, "test", 1, 60) is None
    assert dict(Claim.objects.values_list("id", "slot")) == {first: -1, second: 0}


def test_no_more_is_sent_than_two_checkpoints_note_while_the_database_is_slow(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, go_on = checkpoint.write, threading.Event()

    def slowly(*args: Any) -> bool:
        go_on.wait(60)
        return write(*args)

    monkeypatch.setattr(checkpoint, "write", slowly)
    world.many(users=100, each=10)
    with forwarding([world.destination], chosen=limits(share=1)):
        sent = last = 0
        while sent == 0 or sent > last:
            last = sent
            world.sink.wait_for(lambda sink, count=last: len(sink.arrivals) > count, 1.0)  # type: ignore[misc]
            sent = len(world.sink.arrivals)
        go_on.set()
        assert eventually(world.is_settled)
    assert errand.CHECKPOINT_EVENTS <= sent <= 2 * (errand.CHECKPOINT_EVENTS + 64)
    assert world.report().is_clean


def test_a_link_reads_its_own_lanes_before_it_takes_what_it_has_called_another_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or there is nothing left for the other one, and one link serves a destination however many workers there are."""
    steps: list[object] = []
    take, read = lanes.take, reader.next_events

    def noted_take(*args: Any) -> list[lanes.ClaimedLane]:
        steps.append(args[3])
        return take(*args)

    def noted_read(*args: Any) -> list[reader.Owed]:
        steps.append("read")
        return read(*args)

    monkeypatch.setattr(link, "CONTROL_SECONDS", 60.0)  # or a machine that is slow to read has the rest taken first
    monkeypatch.setattr(lanes, "take", noted_take)
    monkeypatch.setattr(reader, "next_events", noted_read)
    world.many(users=400, each=5)
    with forwarding([world.destination], chosen=limits(share=2)):
        assert eventually(world.is_settled)
    assert steps[:2] == [LANES // 2, "read"]


def test_a_link_that_has_enough_to_send_leaves_the_other_lanes_for_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "CONTROL_SECONDS", 60.0)
    arrived: list[int] = []
    take = lanes.take

    def noted(*args: Any) -> list[lanes.ClaimedLane]:
        arrived.append(len(world.sink.arrivals))
        return take(*args)

    monkeypatch.setattr(lanes, "take", noted)
    world.many(users=800, each=5)
    with forwarding([world.destination], chosen=limits(share=2, budget_seconds=60.0)):
        assert eventually(world.is_settled)
    assert arrived[0] == 0
    assert arrived[1] >= due.READ_EVENTS // 2 - 100
    assert world.report().is_clean
