"""A sink and a connection to it."""

from tests.forwarding.conftest import sink, world

__all__ = ["sink", "world"]
