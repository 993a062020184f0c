"""One process runs many links at once while they wait: destinations that hang keep no process from the others."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import pytest
from celery.signals import worker_shutting_down
from django.db import connection
from django.utils import timezone
from psycopg2.extensions import connection as Connection  # noqa: N812
from redis import Redis

from destinations import doorbell, stopping
from destinations.forward import Forwarder
from destinations.models import Claim
from destinations.oracle.script import HANG
from destinations.oracle.sink import Sink
from destinations.tasks import SWEEP
from rudderproj.celery import FORWARD_QUEUE, app
from tests.forwarding.workers import LIMITS, eventually, limits
from tests.forwarding.world import World, make_world

pytestmark = pytest.mark.usefixtures("broker")


@contextmanager
def one_process(first: World, seconds: float) -> Iterator[threading.Thread]:
    """A process's shift that begins with one world's destination, in a thread; requests may take `seconds`."""

    def work() -> None:
        forwarder = Forwarder(limits(timeout_seconds=seconds, claim_seconds=max(10.0, seconds * 1.6)))
        try:
            forwarder.work(first.destination.pk)
        finally:
            forwarder.close()
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield thread
    thread.join()


def test_a_destination_is_served_by_a_process_in_which_ten_others_hang(world: World) -> None:
    with Sink() as hanging:
        worlds = [make_world(hanging, f"hanging {number}") for number in range(10)]
        hanging.everyone = HANG
        for number, other in enumerate(worlds):
            other.append(f"u{number}", f"h{number}")
            if number:
                doorbell.call(other.destination.pk)
        with one_process(worlds[0], seconds=30.0):
            assert hanging.wait_for(lambda sink: len(sink.arrivals) == 10)
            for number in range(3):
                world.append("well", f"w{number}")
                doorbell.call(world.destination.pk)
                assert world.sink.wait_for(lambda sink, count=number + 1: len(sink.arrivals) == count)  # type: ignore[misc]
            assert hanging.in_flight == 10, "they were served only after the hanging requests had ended"
            hanging.refuse_connections()  # ends them

    assert world.sink.ids() == ["w0", "w1", "w2"]


def test_a_process_with_time_to_spare_sweeps_too(world: World, broker: Redis) -> None:
    with Sink() as hanging:
        other = make_world(hanging, "hanging")
        hanging.everyone = HANG
        other.append("u", "h")
        world.append("well", "w")
        with one_process(other, seconds=30.0):
            assert hanging.wait_for(lambda sink: len(sink.arrivals) == 1)
            app.send_task(SWEEP, queue=FORWARD_QUEUE)
            assert world.sink.wait_for(lambda sink: len(sink.arrivals) == 1)
            hanging.refuse_connections()

    assert world.sink.ids() == ["w"]


def test_what_nobody_can_read_in_the_queue_stops_no_link(world: World) -> None:
    with Sink() as hanging:
        other = make_world(hanging, "hanging")
        hanging.everyone = HANG
        other.append("u", "h")
        world.append("well", "w")
        with one_process(other, seconds=30.0):
            assert hanging.wait_for(lambda sink: len(sink.arrivals) == 1)
            app.send_task("no.such.task", queue=FORWARD_QUEUE)
            app.send_task(doorbell.LINK, [1], queue=FORWARD_QUEUE, serializer="pickle")
            app.send_task(doorbell.LINK, ["no number"], queue=FORWARD_QUEUE)
            doorbell.call(world.destination.pk)
            assert world.sink.wait_for(lambda sink: len(sink.arrivals) == 1)
            hanging.refuse_connections()


def test_a_message_that_is_worthless_by_now_is_not_taken(broker: Redis) -> None:
    app.send_task(doorbell.LINK, [1], queue=FORWARD_QUEUE, expires=-1)
    app.send_task(doorbell.LINK, [2], queue=FORWARD_QUEUE, expires=60)

    assert doorbell.take() == (doorbell.LINK, [2])
    assert doorbell.take() is None


def test_the_queue_does_not_grow_for_ever_while_nobody_listens(monkeypatch: pytest.MonkeyPatch, broker: Redis) -> None:
    monkeypatch.setattr(doorbell, "QUEUED_MESSAGES", 3)
    rung = [doorbell.ring([number]) for number in range(6)]

    assert (rung, broker.llen(FORWARD_QUEUE)) == ([1, 1, 1, 0, 0, 0], 3)
    assert [broker.exists(f"rudderproj:bell:{number}") for number in range(6)] == [1, 1, 1, 0, 0, 0]


def test_links_end_when_their_worker_is_told_to_stop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "_told", bytearray(1))
    for number in range(40):
        world.append("u", f"m{number}", answers=[{"delay_seconds": 0.05}])
    forwarder = Forwarder(limits(budget_seconds=60.0, share=1))

    def work() -> None:
        forwarder.forward(world.destination.pk)
        forwarder.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert world.sink.wait_for(lambda sink: len(sink.arrivals) >= 3)

    worker_shutting_down.send(sender="forward@here", sig="TERM", how="Warm", exitcode=0)

    thread.join()
    assert world.balance()["pending"] > 0, "the link went on to the end of its work"
    assert world.balance()["difference"] == 0
    assert world.report().duplicates == []


def test_the_lanes_of_a_link_that_the_database_failed_go_on_at_once(world: World) -> None:
    world.append("u", "a", answers=[{"delay_seconds": 0.3}])
    world.append("u", "b")
    forwarder = Forwarder(LIMITS)

    def link_and_next() -> None:
        forwarder.forward(world.destination.pk)
        forwarder.forward(world.destination.pk)
        forwarder.close()
        connection.close()

    thread = threading.Thread(target=link_and_next)
    thread.start()
    assert world.sink.wait_for(lambda sink: len(sink.arrivals) == 1)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'rudderproj link' AND datname = current_database()"
        )
    thread.join()

    assert eventually(lambda: world.sink.ids() == ["a", "a", "b"], seconds=0.1), "it waited for the claim to run out"
    assert world.balance()["difference"] == 0


def test_the_lanes_of_a_link_are_given_up_by_its_process_once_the_database_is_back(world: World) -> None:
    """Whether or not this process is ever rung again."""
    world.append("u", "a", answers=[{"delay_seconds": 0.3}])
    forwarder = Forwarder(LIMITS)
    connect, is_away = forwarder._database._connect, threading.Event()

    def connected() -> Connection:
        if is_away.is_set():
            raise psycopg2.OperationalError("away")
        return connect()

    forwarder._database._connect = connected

    def work() -> None:
        forwarder.work(world.destination.pk)
        forwarder.close()
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert world.sink.wait_for(lambda sink: len(sink.arrivals) == 1)
    is_away.set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'rudderproj link' AND datname = current_database()"
        )
    time.sleep(1.0)
    assert Claim.objects.filter(expires_at__gt=timezone.now()).exists()
    is_away.clear()
    thread.join()

    assert Claim.objects.exists()
    assert not Claim.objects.filter(expires_at__gt=timezone.now()).exists(), "they wait for the claim to run out"
