"""Requests that are never answered: a row after the timeout, and meanwhile everybody else goes on."""

import os
import time

from django.db import connection

from destinations import owner
from destinations.oracle.script import HANG
from ingest.hashing import lane_of
from tests.forwarding.workers import eventually, forwarding, limits
from tests.forwarding.world import World


def test_a_hanging_head_becomes_a_row_and_its_lane_mates_do_not_wait_for_it(world: World) -> None:
    mate = next(name for name in map("m{}".format, range(1000)) if lane_of(name) == lane_of("slow"))
    world.append("slow", "s0", answers=["hang", 200])
    world.append("slow", "s1")
    world.append(mate, "m0")

    with forwarding([world.destination], chosen=limits(timeout_seconds=1.0)):
        assert eventually(world.is_settled)

    assert world.sink.ids() == ["s0", "m0", "s0", "s1"]
    assert [(row.message_id, row.reason) for row in world.rows(message_id="s0")] == [("s0", "")]
    assert world.connection.attempt_set.first() is not None
    assert world.report().duplicates == []


def test_one_busy_user_whose_head_hangs_does_not_starve_the_others(world: World) -> None:
    for user in ("busy-a", "busy-b"):
        world.append(user, f"{user}-0", answers=["hang", 200])
        world.append(user, *(f"{user}-{number}" for number in range(1, 1200)))

    with forwarding([world.destination], chosen=limits(timeout_seconds=20.0, budget_seconds=5.0, share=1)):
        assert world.sink.wait_for(lambda sink: len(sink.arrivals) == 2)
        others = set(world.append_apart([f"other{number}" for number in range(40)], ["busy-a", "busy-b"]))
        assert world.sink.wait_for(lambda sink: others <= set(sink.ids()))
        assert len(world.sink.of("busy-a-0")) == 1, "the head had its turn again before the others came through"
        world.sink.refuse_connections()  # ends the hanging requests


def test_hanging_requests_of_links_that_end_do_not_stop_the_destination(world: World) -> None:
    for user in ("slow-a", "slow-b"):
        world.append(user, f"{user}-0", answers=["hang", 200])

    with forwarding([world.destination], threads=2, chosen=limits(timeout_seconds=20.0, budget_seconds=0.5, share=1)):
        assert world.sink.wait_for(lambda sink: len(sink.arrivals) == 2)
        for turn in range(4):  # longer than the link's budget
            now = set(world.append_apart([f"{turn}-{number}" for number in range(10)], ["slow-a", "slow-b"]))
            assert world.sink.wait_for(lambda sink, now=now: now <= set(sink.ids()))  # type: ignore[misc]
            time.sleep(0.4)
        assert len(world.sink.of("slow-a-0")) == 1, "the others waited until the hanging request was given up"
        world.sink.refuse_connections()  # ends the hanging requests


def test_a_destination_that_hangs_for_all_opens_its_breaker(world: World) -> None:
    world.many(users=5, each=2)
    world.sink.everyone = HANG

    with forwarding([world.destination], chosen=limits(timeout_seconds=0.3)):
        assert eventually(lambda: world.health().breaker != "closed")
        # On a slow machine two may be taken for failing users, before the third fails too.
        assert len({row.user_key for row in world.rows()}) <= 2
        world.sink.everyone = None
        assert eventually(world.is_settled)

    assert (world.report().lost, world.report().out_of_order) == ([], [])


def test_lanes_nobody_works_on_do_not_wait_for_a_request_that_hangs_beside_another_claim(world: World) -> None:
    world.append("slow", "s0", answers=["hang", 200])
    with connection.cursor() as cursor:  # of a machine that is gone
        cursor.execute(
            "INSERT INTO destinations_claim (destination_id, slot, owner, expires_at)"
            " VALUES (%s, -1, 'elsewhere', clock_timestamp() + interval '1 minute')",
            [world.destination.pk],
        )
    with forwarding([world.destination], chosen=limits(timeout_seconds=20.0, budget_seconds=5.0)):
        assert world.sink.wait_for(lambda sink: len(sink.arrivals) == 1)
        others = set(world.append_apart(["other1", "other2"], ["slow"]))
        assert world.sink.wait_for(lambda sink: others <= set(sink.ids()))
        assert len(world.sink.of("s0")) == 1, "the others waited until the hanging request was given up"
        world.sink.refuse_connections()


def test_lanes_of_a_process_that_died_do_not_wait_for_the_end_of_a_link_that_lives(world: World) -> None:
    world.append("slow", "s0", answers=["hang", 200])
    (other,) = set(world.append_apart(["other"], ["slow"]))
    died = owner.me().replace(f" {os.getpid()} ", " 12345678 ")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO destinations_claim (destination_id, slot, owner, expires_at)"
            " VALUES (%s, 1, %s, clock_timestamp() + interval '1 hour') RETURNING id",
            [world.destination.pk, "somebody else"],
        )
        ((claim,),) = cursor.fetchall()
        cursor.execute("UPDATE destinations_lane SET claim_id = %s WHERE number <> %s", [claim, lane_of("slow")])
    with forwarding([world.destination], chosen=limits(timeout_seconds=20.0, budget_seconds=20.0)):
        assert world.sink.wait_for(lambda sink: len(sink.arrivals) == 1)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE destinations_claim SET owner = %s WHERE id = %s", [died, claim])
        assert world.sink.wait_for(lambda sink: other in sink.ids())
        assert len(world.sink.of("s0")) == 1, "the other waited until the hanging request was given up"
        world.sink.refuse_connections()
