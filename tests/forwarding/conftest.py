"""A sink and a connection to it."""

from collections.abc import Iterator

import pytest

from destinations.oracle.sink import Sink
from tests.forwarding.world import World, make_world


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as listening:
        yield listening


@pytest.fixture
def world(committed: None, sink: Sink) -> World:
    return make_world(sink)
