"""A broker that was away for long is found again within about a second of its return."""

import pytest
from kombu import Connection

from rudderproj.celery import app
from tests.stack.harness import free_port


class Enough(Exception):
    pass


def test_workers_and_beat_try_for_the_broker_about_once_a_second_however_long_it_was_away() -> None:
    pauses: list[float] = []

    def refused(_: Exception, pause: float) -> None:
        pauses.append(round(pause, 3))
        if len(pauses) == 7:
            raise Enough

    connection = app.connection_for_read(url=f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(Enough):
        connection.ensure_connection(refused)

    assert isinstance(connection, Connection)
    assert pauses == [0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0]
