"""What the drills do to a broker hits what it is meant for, and says how much."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.client import PubSub

from drills.carrier import carrying
from drills.faults import broker


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Redis]:
    """Of a broker of its own: whoever else uses one is left alone."""
    with carrying(tmp_path / "broker") as server, contextlib.closing(Redis.from_url(server.url())) as found:
        yield found


def test_all_clients_are_cut_off_those_that_ask_and_those_that_listen(client: Redis) -> None:
    assert broker._kill_clients(client) == {"normal clients": 0, "pubsub clients": 0}

    client.connection_pool.get_connection()  # of another client
    with contextlib.closing(PubSub(client.connection_pool)) as listener:
        listener.subscribe("news")
        listener.get_message(timeout=5)

        assert broker._kill_clients(client) == {"normal clients": 1, "pubsub clients": 1}


def test_what_is_emptied_is_counted(client: Redis) -> None:
    client.mset({"a": 1, "b": 2})

    assert (broker._flush(client), broker._flush(client), client.dbsize()) == ({"keys": 2}, {"keys": 0}, 0)
