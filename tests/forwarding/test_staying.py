"""A trickle keeps its link when its time is up, while nobody waits and nothing else asks for a new one."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection

from destinations import control, doorbell, outlook, shift, stopping
from destinations.forward import Forwarder
from destinations.marks import Mark
from destinations.models import Claim, Connection, Lane
from destinations.shift import Shift
from destinations.suspects.models import Suspect
from rudderproj import db
from tests.forwarding.workers import eventually, forwarding, limits
from tests.forwarding.world import World
from tests.replay.replays import is_finished, start

pytestmark = pytest.mark.usefixtures("broker")


@pytest.mark.parametrize("waiting", [False, True])
def test_a_trickle_keeps_its_link_when_its_time_is_up_unless_somebody_waits_for_the_process(
    world: World, monkeypatch: pytest.MonkeyPatch, waiting: bool
) -> None:
    begun: list[int] = []
    begin = Forwarder._link

    async def noted(self: Forwarder, destination_id: int, mark: Mark) -> bool | None:
        begun.append(destination_id)
        return await begin(self, destination_id, mark)

    monkeypatch.setattr(Forwarder, "_link", noted)
    if waiting:
        monkeypatch.setattr(Shift, "nobody_waits", False)
    monkeypatch.setattr(shift, "BUSY_SHARE", 1000.0)  # it looks into the queue, however slow this machine
    monkeypatch.setattr(shift, "VAIN_SECONDS", 30.0)
    monkeypatch.setattr(outlook, "TOLD_LINGER_SECONDS", 30.0)
    monkeypatch.setattr(outlook, "LINGER_SECONDS", 30.0)
    monkeypatch.setattr(stopping, "_told", bytearray(1))
    forwarder = Forwarder(limits(budget_seconds=2.0))

    def work() -> None:
        while not stopping.told():
            if message := doorbell.take():
                forwarder.work(*message.args)
            time.sleep(0.01)
        forwarder.close()
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for number in range(50):
            world.append("u", f"m{number}")
            doorbell.ring([world.destination.pk])
            time.sleep(0.1)
        assert world.sink.wait_for(lambda sink: len(sink.arrivals) == 50)
    finally:
        stopping.tell()
        thread.join()

    assert (len(begun) > 1) is waiting, f"{len(begun)} links"
    assert world.balance()["difference"] == 0


@contextmanager
def staying(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A trickle, and its link, whose time is up soon while nobody waits; its claim."""
    monkeypatch.setattr(Forwarder, "_nobody_waits", lambda _: True)
    monkeypatch.setattr(outlook, "LINGER_SECONDS", 30.0)  # it does not end for want of work, however slow this machine
    over = threading.Event()

    def trickle() -> None:
        number = 0
        while not over.wait(0.1):
            number += 1
            world.append("u", f"m{number}")
        connection.close()

    source = threading.Thread(target=trickle)
    source.start()
    try:
        with forwarding([world.destination], chosen=limits(budget_seconds=1.0)):
            assert eventually(lambda: Lane.objects.filter(claim_id__isnull=False).exists())
            claim = Claim.objects.get().pk
            time.sleep(2.0)
            assert Claim.objects.get().pk == claim, "it did not stay"
            try:
                yield claim
            finally:
                over.set()
                monkeypatch.setattr(outlook, "LINGER_SECONDS", 0.0)
    finally:
        over.set()
        source.join()


def is_over(claim: int) -> bool:
    """Whether that link has ended, soon: not after the minute that it may stay."""
    return eventually(lambda: not Claim.objects.filter(pk=claim).exists(), seconds=15)


def test_it_ends_for_a_replay_to_be_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with staying(world, monkeypatch) as claim:
        replay = start(world)
        assert eventually(lambda: is_finished(replay), seconds=15)
        assert is_over(claim)


def test_it_ends_for_suspects_to_be_looked_into(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with staying(world, monkeypatch) as claim:
        lane = Lane.objects.filter(claim_id=claim).exclude(xid=0).order_by("-xid")[0]
        Suspect.objects.create(
            destination=world.destination,
            connection=world.connection,
            lane=lane.number,
            xid=lane.xid,
            position=lane.position,
            day=lane.day,
            message_id="m1",
            user_key="u",
        )
        assert is_over(claim)
        Suspect.objects.all().delete()


def test_it_ends_when_lanes_had_to_be_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events from before a switch-off wait in them, and only another link would read them once it is on again."""
    with staying(world, monkeypatch) as claim:
        world.append("v", "v0")
        assert world.sink.wait_for(lambda sink: "v0" in sink.ids())
        with closing(db.connect("test", 10)) as older:
            older.autocommit = False
            with older.cursor() as cursor:
                cursor.execute("SELECT pg_current_xact_id()")  # until it ends nothing newer is read
            world.append("v", "v1")
            Connection.objects.update(enabled=False)
            assert Claim.objects.filter(pk=claim).exists()
            older.commit()
        assert is_over(claim)
        Connection.objects.update(enabled=True)
        assert world.sink.wait_for(lambda sink: "v1" in sink.ids())


def test_a_link_gives_way_when_what_it_took_for_its_whole_life_changes(world: World) -> None:
    with closing(db.connect("test", 10)) as raw:
        seen = control.read(raw, world.destination.pk)
    assert seen is not None
    later = replace(
        seen, read_at=seen.read_at + timedelta(seconds=60), read_here=seen.read_here + timedelta(seconds=60)
    )
    assert not later.ends_link_of(seen)
    assert not replace(later, read_here=later.read_here + timedelta(seconds=0.5)).ends_link_of(seen)
    for moved in (timedelta(seconds=2), timedelta(seconds=-2)):
        assert replace(later, read_here=later.read_here + moved).ends_link_of(seen)
        slow = replace(later, read_here=later.read_here + moved, took=timedelta(seconds=1.5))
        assert not slow.ends_link_of(seen), "an answer that took long says nothing of the clock"
    assert replace(later, config={"webhookUrl": "http://elsewhere/"}).ends_link_of(seen)
