"""Large events: what a link holds in memory is bounded by bytes, not by a number of events."""

from contextlib import closing

import pytest

from destinations import lanes, memory, owner, reader, shift
from destinations.courier import Courier
from destinations.forward import Forwarder
from destinations.reader import Owed
from rudderproj import db
from tests.forwarding.workers import eventually, forwarding, limits
from tests.forwarding.world import World

PADDING = "x" * 1_000_000


def test_one_read_is_bounded_by_bytes_and_takes_each_lanes_first_events_first(world: World) -> None:
    for user in ("a", "b", "c"):
        for number in range(20):
            world.append(user, f"{user}{number}", padding=PADDING)
    world.append("d", "d0")

    with closing(db.connect("test", 30)) as raw:
        token = lanes.open_claim(raw, world.destination.pk, owner.me(), 1, 30)
        assert token is not None
        assert eventually(lambda: world.balance()["pending"] == 61)
        claimed = lanes.take(raw, token, world.destination.pk, 64)
        events = reader.next_events(raw, [reader.Ask.more(lane, 250) for lane in claimed])

    assert sum(owed.size for owed in events) < reader.READ_BYTES + 2 * len(PADDING)
    read = {user: [owed.message_id for owed in events if owed.user_key == user] for user in ("a", "b", "c", "d")}
    assert read["d"] == ["d0"]
    for user in ("a", "b", "c"):
        assert 10 <= len(read[user]) < 20
        assert read[user] == [f"{user}{number}" for number in range(len(read[user]))]


def test_large_events_arrive_in_order_through_a_small_memory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LANE_BYTES", 2_000_000)
    monkeypatch.setattr(memory, "LINK_BYTES", 3_000_000)
    for number in range(10):
        for user in ("a", "b", "c"):
            world.append(user, f"{user}{number}", answers=[500, 200] if number == 3 else (), padding=PADDING)
    with forwarding([world.destination]):
        assert eventually(world.is_settled)
    assert world.report().is_clean


def test_one_lane_of_large_events_that_hang_leaves_memory_for_the_others(world: World) -> None:
    world.append("slow", "s0", answers=["hang"], padding=PADDING)
    for number in range(1, 12):
        world.append("slow", f"s{number}", padding=PADDING)
    with forwarding([world.destination], chosen=limits(timeout_seconds=30.0, budget_seconds=20.0)):
        assert world.sink.wait_for(lambda sink: "s0" in sink.ids())
        others = set(world.append_apart([f"other{number}" for number in range(10)], ["slow"]))
        assert world.sink.wait_for(lambda sink: others <= set(sink.ids()))
        world.sink.refuse_connections()


def test_links_of_one_process_share_its_memory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    held, add = [0], Courier.add

    def note(courier: Courier, owed: Owed) -> None:
        add(courier, owed)
        held.append(courier.sizes.total())

    monkeypatch.setattr(Courier, "add", note)
    monkeypatch.setattr(Forwarder, "_links", lambda _: shift.LINKS)
    for user in ("a", "b", "c"):
        for number in range(10):
            world.append(user, f"{user}{number}", padding=PADDING)
    with forwarding([world.destination]):
        assert eventually(world.is_settled)

    assert max(held) < (reader.READ_BYTES + memory.LINK_BYTES) / shift.LINKS + 2 * len(PADDING)
    assert world.report().is_clean
