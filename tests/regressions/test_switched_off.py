"""What is accepted after a switch-off is not sent, though the link that is at work had read an older configuration."""

import pytest

from destinations import link
from destinations.oracle.script import HANG
from tests.forwarding.workers import eventually, forwarding, limits
from tests.forwarding.world import World


def test_a_link_decides_by_no_older_configuration_than_the_events_it_has_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "CONTROL_SECONDS", 3600.0)
    world.sink.everyone = HANG
    world.append("busy", "b0")

    with forwarding([world.destination], chosen=limits(budget_seconds=8.0, timeout_seconds=8.0)):
        assert world.sink.wait_for(lambda sink: sink.ids() == ["b0"])  # the link waits, and looks for more meanwhile
        world.sink.everyone = None
        world.connection.enabled = False
        world.connection.save()
        world.append("other", "o0")
        assert eventually(lambda: world.balance()["filtered"] == 1 or "o0" in world.sink.ids())

    assert "o0" not in world.sink.ids()
