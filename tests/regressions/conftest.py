"""The sink, world and broker of the forwarding tests."""

from tests.forwarding.conftest import broker, sink, world

__all__ = ["broker", "sink", "world"]
