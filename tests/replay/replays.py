"""Running replays in tests as the sweep would: links in threads, and ended ones closed."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from destinations.models import Replay
from destinations.replay import steer
from destinations.replay.create import create
from destinations.replay.progress import progress
from destinations.replay.selection import Selection
from rudderproj import db
from tests.forwarding.workers import eventually, forwarding
from tests.forwarding.world import World

DEAD_LETTERS = Replay.Origin.DEAD_LETTERS


def selection(world: World, **chosen: Any) -> Selection:
    return Selection(world.destination.pk, **chosen)


def start(world: World, rate: int | None = None, **chosen: Any) -> Replay:
    """A new replay, not run yet."""
    return create(selection(world, **chosen), "ada", rate)


def close_ended() -> int:
    with closing(db.connect("tests", 10)) as raw:
        return steer.close_ended(raw)


def is_finished(replay: Replay) -> bool:
    close_ended()
    return Replay.objects.get(pk=replay.pk).state == Replay.State.FINISHED


def run(world: World, *replays: Replay, threads: int = 2) -> None:
    """Run links until these replays have finished."""
    with forwarding([world.destination], threads=threads):
        for replay in replays:
            assert eventually(lambda replay=replay: is_finished(replay)), progress(replay.pk)  # type: ignore[misc]


def deliver(world: World) -> None:
    """Let everything live be settled."""
    with forwarding([world.destination], threads=2):
        assert eventually(world.is_settled), world.balance()


def numbers(replay: Replay, *names: str) -> list[int]:
    """Some of its counts."""
    found = progress(replay.pk)
    return [found[name] for name in names]


def in_order(world: World, arrived: Sequence[str]) -> bool:
    """Whether these arrivals keep each user's order."""
    for order in world.accepted.values():
        mine = [name for name in arrived if name in set(order)]
        if mine != sorted(mine, key=order.index):
            return False
    return True
