"""A sink and a connection to it, and an empty broker."""

from collections.abc import Iterator

import pytest
from redis import Redis

from destinations.oracle.sink import Sink
from rudderproj.celery import app
from tests.forwarding.world import World, make_world


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as listening:
        yield listening


@pytest.fixture
def world(committed: None, sink: Sink) -> World:
    return make_world(sink)


@pytest.fixture
def broker(committed: None) -> Iterator[Redis]:
    client = Redis.from_url(app.conf.broker_url)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()
