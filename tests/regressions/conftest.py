"""The sink and world of the forwarding tests."""

from tests.forwarding.conftest import sink, world

__all__ = ["sink", "world"]
