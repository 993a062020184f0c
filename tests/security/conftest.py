"""The sink and world of the forwarding tests, the source and web process of the ingest tests."""

from tests.forwarding.conftest import sink, world
from tests.ingest.conftest import source, web, webs

__all__ = ["sink", "source", "web", "webs", "world"]
