"""What one user's events do to a destination must stay that user's own."""

from tests.forwarding.workers import eventually, forwarding, limits
from tests.forwarding.world import World


def test_one_user_whose_events_are_never_answered_does_not_open_the_breaker(world: World) -> None:
    world.append("slow", "s0", answers=["hang"] * 4 + [200])
    with forwarding([world.destination], chosen=limits(timeout_seconds=0.2)):
        assert eventually(lambda: len(world.sink.of("s0")) == 4 or world.health().breaker != "closed")
        assert world.health().breaker == "closed"
        assert eventually(world.is_settled)
    assert world.sink.ids() == ["s0"] * 5
