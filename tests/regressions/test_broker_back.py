"""A broker that is away ends nothing, and is found again within about a second of its return."""

import pytest
from celery import Celery
from kombu import Connection

from destinations import doorbell
from rudderproj import metrics
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


def test_what_is_not_worth_failing_for_fails_nobody_whose_first_call_meets_no_broker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", f"redis://127.0.0.1:{free_port()}/0")
    fresh = Celery("fresh")
    fresh.conf.broker_transport_options = app.conf.broker_transport_options
    monkeypatch.setattr(doorbell, "app", fresh)

    counted: list[tuple[object, ...]] = []
    monkeypatch.setattr(metrics.BROKER_ERRORS, "add", lambda *values: counted.append(values))
    doorbell.mark({1: True})
    doorbell.note_swept()
    doorbell.tell_quietly([1])

    assert counted == [(1, "mark")] * 3
