"""Delivery in order per user: real PostgreSQL, real HTTP, links in threads."""

from ingest.hashing import lane_of
from tests.forwarding.workers import eventually, forwarding
from tests.forwarding.world import World


def test_events_arrive_in_the_order_they_were_accepted(world: World) -> None:
    world.many(users=20, each=10)

    with forwarding([world.destination]):
        assert eventually(world.is_settled)

    report = world.report()
    assert report.is_clean, report
    assert report.duplicates == []
    assert world.balance()["delivered"] == 200
    assert world.rows() == []


def test_a_busy_users_events_arrive_in_order_while_two_links_share_the_lanes(world: World) -> None:
    world.many(users=5, each=10)
    world.append("busy", *(f"busy-{number}" for number in range(700)))
    world.many(users=5, each=10, prefix="v")

    with forwarding([world.destination], threads=3):
        assert eventually(world.is_settled)

    report = world.report()
    assert report.is_clean, report
    assert report.duplicates == []


def test_a_failing_users_later_events_wait_and_keep_their_order(world: World) -> None:
    world.append("failing", "f0", answers=[500, 500, 200])
    world.append("failing", "f1")
    world.append("failing", "f2", answers=[503, 200])
    world.many(users=3, each=3)

    with forwarding([world.destination]):
        assert eventually(world.is_settled)

    assert world.report().is_clean, world.report()
    assert [m for m in world.sink.ids() if m.startswith("f")] == ["f0", "f0", "f0", "f1", "f2", "f2"]
    assert [(row.message_id, row.state, row.attempts) for row in world.rows()] == [
        ("f0", "delivered", 3),
        ("f1", "delivered", 1),
        ("f2", "delivered", 2),
    ]


def test_a_failing_user_does_not_keep_others_of_the_same_lane_waiting(world: World) -> None:
    mate = next(name for name in map("m{}".format, range(1000)) if lane_of(name) == lane_of("failing"))
    world.append("failing", "f0", answers=[500] * 4 + [200])
    world.append("failing", "f1")
    world.append(mate, "mate")

    with forwarding([world.destination]):
        assert world.sink.wait_for(lambda sink: "mate" in sink.ids())
        assert len(world.sink.of("f0")) < 5
        assert eventually(world.is_settled)

    assert world.report().is_clean, world.report()


def test_events_stored_while_a_user_is_held_come_after_its_rows(world: World) -> None:
    world.append("u", "u0", answers=[{"status": 503, "retry_after": "1"}, 500, 200])
    with forwarding([world.destination]):
        assert eventually(lambda: world.balance()["failed"] == 1)
        for number in range(1, 40):
            world.append("u", f"u{number}", answers=[500, 200] if number % 15 == 0 else [])
        assert eventually(world.is_settled)

    assert world.report().is_clean, world.report()
    assert world.report().duplicates == []
