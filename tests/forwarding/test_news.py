"""Links hear of events from the broker while they run, so that they need not ask the database all the time."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pytest
from django.db import connection
from psycopg2.extensions import connection as Connection  # noqa: N812
from redis import Redis

from destinations import doorbell, due, lanes, link, outlook, reader, stopping
from destinations import news as hearing
from destinations.forward import Forwarder
from destinations.lanes import Which
from destinations.models import Connection as Link
from destinations.models import Lane
from destinations.news import News
from destinations.sweep import sweep
from ingest.hashing import lane_of
from ingest.models import Source
from rudderproj.celery import FORWARD_QUEUE, app
from tests.forwarding.workers import eventually, forwarding, limits
from tests.forwarding.world import World, make_world

pytestmark = pytest.mark.usefixtures("broker")


@contextmanager
def listening(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A link that has sent what there was, and looks by itself no more."""
    for name in ("TOLD_SECONDS", "TOLD_LINGER_SECONDS", "TOLD_GROWTH"):
        monkeypatch.setattr(outlook, name, 60.0)
    monkeypatch.setattr(stopping, "_told", bytearray(1))
    monkeypatch.setattr(doorbell, "RUNNING_MS", 60_000)
    world.append("u", "first")
    forwarder = Forwarder(limits(budget_seconds=60.0))
    news = forwarder._news = News(forwarder._runner.get_loop())
    assert eventually(lambda: news.is_heard)

    def work() -> None:
        forwarder.work(world.destination.pk)
        forwarder.close()
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert eventually(lambda: world.balance()["delivered"] >= 1)
        yield
    finally:
        stopping.tell()
        doorbell.ring([world.destination.pk])
        thread.join()


def test_a_link_that_waits_sends_what_it_hears_of(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(world, monkeypatch):
        for number in range(3):
            world.append("u", f"then-{number}")
            assert doorbell.ring([world.destination.pk]) == 0, "it runs, and is rung for nevertheless"
            assert world.sink.wait_for(lambda sink, count=number + 2: len(sink.arrivals) == count)  # type: ignore[misc]
    assert world.report().is_clean


def test_a_link_looks_for_what_it_hears_of_in_the_lanes_that_are_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "FOUND_SECONDS", 0.0)
    looks: list[list[int]] = []
    found: list[reader.Owed] = []
    read = reader.next_events

    def noted(raw: Connection, asked: list[reader.Ask], most_bytes: int) -> list[reader.Owed]:
        found[:] = read(raw, asked, most_bytes)
        looks.append([ask.lane.number for ask in asked])
        return list(found)

    monkeypatch.setattr(reader, "next_events", noted)
    users = [f"u{number}" for number in range(40)]
    world.append("u", *(f"m{number}" for number in range(3)))
    for user in users:
        world.append(user, user)
    with listening(world, monkeypatch):
        assert eventually(lambda: world.is_settled() and looks and not found)
        looks.clear()
        for user in users[:5]:
            mark = len(looks)
            world.append(user, f"then-{user}")
            doorbell.ring([world.destination.pk], {world.source.pk: [lane_of(user)], world.source.pk + 1: [0, 1]})
            assert world.sink.wait_for(lambda sink, name=f"then-{user}": name in sink.ids())  # type: ignore[misc]
            assert lane_of(user) in {lane for look in looks[mark:] for lane in look}
    assert max(len(look) for look in looks) <= 5, "it looked into lanes that nobody had named"
    assert world.report().is_clean


def test_those_that_need_no_ring_are_published_and_nobody_else(broker: Redis) -> None:
    with broker.pubsub(ignore_subscribe_messages=True) as heard:  # type: ignore[no-untyped-call]
        heard.subscribe(doorbell.channel(broker))
        heard.get_message(timeout=10)
        assert doorbell.ring([1, 2]) == 2
        doorbell.mark({3: True})
        assert doorbell.ring([1, 3, 4]) == 1
        doorbell.mark({1: False})
        assert doorbell.ring([1]) == 1

        assert [message["data"] for message in iter(lambda: heard.get_message(timeout=0.5), None)] == [b"[[1,3],null]"]


@pytest.mark.parametrize(("queued", "seconds"), [(0, 1), (50, 6), (4000, 30)])
def test_a_ring_is_not_repeated_while_it_may_still_wait_for_its_turn(broker: Redis, queued: int, seconds: int) -> None:
    for _ in range(queued):
        broker.rpush(FORWARD_QUEUE, "something that waits")

    doorbell.ring([1])

    assert seconds * 1000 - 900 < broker.pttl("rudderproj:bell:1") <= seconds * 1000


def test_deployments_that_share_a_broker_hear_nothing_of_each_other(broker: Redis) -> None:
    url = f"{app.conf.broker_url.rpartition('/')[0]}/15"
    with closing(Redis.from_url(url)) as other, other.pubsub(ignore_subscribe_messages=True) as heard:  # type: ignore[no-untyped-call]
        heard.subscribe(doorbell.channel(other))
        heard.get_message(timeout=10)
        doorbell.tell_quietly([1])
        other.publish(doorbell.channel(other), "its own")

        assert [message["data"] for message in iter(lambda: heard.get_message(timeout=0.5), None)] == [b"its own"]


def cut(broker: Redis) -> None:
    """End the subscriptions of this database: other tests have theirs in others of the same broker."""
    number = str(broker.get_connection_kwargs()["db"])
    for client in broker.client_list(_type="pubsub"):
        if client["db"] == number:
            broker.client_kill_filter(_id=client["id"])


def test_a_subscription_that_was_cut_or_met_nonsense_is_made_again(broker: Redis) -> None:
    async def scenario() -> None:
        woken = asyncio.Event()
        news = News(asyncio.get_running_loop())
        with news.waking(7, lambda _: woken.set()):
            for _ in range(3):
                await until_heard(news, woken)
                cut(broker)
                await until_heard(news, woken)
                broker.publish(doorbell.channel(broker), "no number")
        news.close()

    async def until_heard(news: News, woken: asyncio.Event) -> None:
        async with asyncio.timeout(30):
            while not news.is_heard or not broker.publish(doorbell.channel(broker), "[[6,7],null]"):
                await asyncio.sleep(0.02)
            await woken.wait()
        woken.clear()

    asyncio.run(scenario())


def test_claiming_looks_at_the_lanes_of_its_destination_alone(world: World) -> None:
    for number in range(20):  # with 64 lanes each
        make_world(world.sink, f"another {number}")
    assert lanes_looked_at(world, Which.LIVE) == 64


def test_claiming_lanes_that_were_named_looks_at_these_alone(world: World) -> None:
    for number in range(20):
        source = Source.objects.create(name=f"another {number}", write_key=f"key {number}")
        Link.objects.create(source=source, destination=world.destination)
    named = [lanes.Name(world.source.pk, number) for number in (3, 5, lane_of("u"))]
    assert lanes_looked_at(world, Which.NAMED, named) == 3


def lanes_looked_at(world: World, which: Which, named: Sequence[lanes.Name] = ()) -> int:
    """How many rows a claim's plan reads of the lanes, where it reads most, to take one."""
    world.append("u", "m")
    with connection.cursor() as cursor:
        raw = cursor.connection
        cursor.execute("ANALYZE destinations_lane, destinations_connection")  # or it is as autovacuum last saw them
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        cursor.execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
        token = lanes.open_claim(raw, world.destination.pk, "test", 1, 60.0)
        parameters = {"token": token, "destination": world.destination.pk, "limit": 64}
        with raw.cursor() as own:
            call = which.value._call(own)
            own.execute(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {call}", parameters | lanes._NAMED.parameters(named or [(0, 0)])
            )
            [(plan,)] = own.fetchall()
        cursor.execute("DEALLOCATE ALL; RESET ALL")
    scans = [node for node in nodes(plan[0]["Plan"]) if node.get("Relation Name") == "destinations_lane"]
    assert Lane.objects.exclude(claim_id=None).count() == 1
    return max(int(node["Actual Rows"] * node["Actual Loops"]) for node in scans)


def test_a_look_in_vain_writes_nothing(world: World, raw: Connection) -> None:
    token = lanes.open_claim(raw, world.destination.pk, "test", 1, 60.0)
    assert token is not None

    def has_been_locked() -> bool:
        with raw.cursor() as cursor:
            cursor.execute("SELECT xmax::text <> '0' FROM destinations_claim WHERE id = %s", [token])
            [(is_locked,)] = cursor.fetchall()
            return bool(is_locked)

    assert lanes.take(raw, token, world.destination.pk, 64) == []
    assert not has_been_locked()
    world.append("u", "m")
    assert len(lanes.take(raw, token, world.destination.pk, 64)) == 1
    assert has_been_locked()


def test_a_link_that_is_alone_takes_up_idle_lanes_rather_than_look_for_each(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[tuple[Which, int]] = []
    take = lanes.take

    def noted(*args: Any) -> list[lanes.ClaimedLane]:
        found = take(*args)
        taken.extend([(args[4], len(found))] if found else [])
        return found

    monkeypatch.setattr(lanes, "take", noted)
    users = [f"u{number}" for number in range(12)]
    assert len({lane_of(user) for user in users}) == 12
    with forwarding([world.destination], chosen=limits(budget_seconds=60.0)):
        for number, user in enumerate(users):
            world.append(user, f"m-{user}")
            assert world.sink.wait_for(lambda sink, count=number + 1: len(sink.arrivals) == count)  # type: ignore[misc]

    which = [one for one, _ in taken]
    assert Which.SPARE in which
    assert sum(count for _, count in taken) == 64
    assert world.report().is_clean


def nodes(plan: dict) -> list[dict]:  # type: ignore[type-arg]
    """A plan's nodes, itself first."""
    return [plan, *(node for part in plan.get("Plans", ()) for node in nodes(part))]


def test_a_link_takes_up_no_idle_lanes_where_they_are_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "SPARE_LANES", 8)
    asked: list[Which] = []
    take = lanes.take

    def noted(*args: Any) -> list[lanes.ClaimedLane]:
        asked.append(args[4])
        return take(*args)

    monkeypatch.setattr(lanes, "take", noted)
    with forwarding([world.destination], chosen=limits(budget_seconds=60.0)):
        for number in range(8):
            world.append(f"u{number}", f"m{number}")
            assert world.sink.wait_for(lambda sink, count=number + 1: len(sink.arrivals) == count)  # type: ignore[misc]
    assert asked.count(Which.LIVE) + asked.count(Which.NAMED) > link.TAKES
    assert Which.SPARE not in asked


def test_a_broker_that_says_nothing_any_more_is_not_relied_upon(monkeypatch: pytest.MonkeyPatch, broker: Redis) -> None:
    for name, seconds in (("WAIT_SECONDS", 0.1), ("PING_SECONDS", 0.2), ("DEAF_SECONDS", 1.0), ("AGAIN_SECONDS", 0.1)):
        monkeypatch.setattr(hearing, name, seconds)
    loop = asyncio.new_event_loop()
    heard = News(loop)
    try:
        assert eventually(lambda: heard.is_heard)
        for _ in range(15):  # quiet, but there
            time.sleep(0.1)
            assert heard.is_heard
        broker.client_pause(2500, all=True)
        assert eventually(lambda: not heard.is_heard)
        assert eventually(lambda: heard.is_heard)
    finally:
        heard.close()
        loop.close()


def test_whatever_ringing_raises_the_next_ring_is_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[set[int]] = []

    def ring(destination_ids: set[int], _: object = None) -> int:
        rung.append(destination_ids)
        raise AttributeError("of a library")

    monkeypatch.setattr(doorbell, "ring", ring)
    bell = doorbell.Bell()
    for count in (1, 2):
        bell.press({world.source.pk: {1}})
        assert eventually(lambda count=count: len(rung) == count)  # type: ignore[misc]
    assert rung == [{world.destination.pk}] * 2


def test_a_sweep_says_that_it_was_made_until_the_broker_forgets(world: World, broker: Redis) -> None:
    assert not doorbell.is_swept()
    sweep()
    assert doorbell.is_swept()
    broker.flushdb()
    assert not doorbell.is_swept()
