"""Doorbells on a bad way: only rings and news change, and both ends keep in step."""

import contextlib
import os
import random
from urllib.parse import urlsplit

import pytest
from redis import ConnectionPool, Redis
from redis.client import PubSub

from destinations import doorbell
from drills import doorbells as bad_way
from drills.doorbells import NEWS, RINGS, Doorbells, encoded
from drills.relay import relaying
from rudderproj.celery import FORWARD_QUEUE

PUSH = [b"LPUSH", b"forward", b'{"body": "x"}']
PUBLISH = [b"PUBLISH", b"rudderproj:news", b"[[1], null]"]
ASK = encoded([b"LLEN", b"forward"])


def test_the_product_rings_and_publishes_where_they_are_looked_for() -> None:
    assert (bad_way.QUEUE.decode(), bad_way.CHANNEL.decode()) == (FORWARD_QUEUE, doorbell.NEWS)


def test_what_is_no_doorbell_passes_as_it_came_however_it_is_cut() -> None:
    way = Doorbells(random.Random(1), drop=1.0).way()
    data = b"".join(
        encoded(command)
        for command in (
            [b"SET", b"forward", b"\r\n*3\r\n"],
            [b"LPUSH", b"alerts", b"m"],
            [b"PUBLISH", b"other", b"m"],
            [b"SUBSCRIBE", b"rudderproj:news"],
        )
    )

    assert b"".join(way(data[at : at + 1]) for at in range(len(data))) == data


@pytest.mark.parametrize(("kind", "command"), [(RINGS, PUSH), (NEWS, PUBLISH)])
def test_what_is_dropped_becomes_a_question_with_the_same_kind_of_answer(kind: str, command: list[bytes]) -> None:
    doorbells = Doorbells(random.Random(1), drop=1.0)

    assert doorbells.way()(encoded(command)) == ASK
    assert doorbells.counts[kind] == {"dropped": 1}


@pytest.mark.parametrize(("kind", "command"), [(RINGS, PUSH), (NEWS, PUBLISH)])
def test_what_is_left_alone_passes_as_it_came_and_is_counted(kind: str, command: list[bytes]) -> None:
    doorbells = Doorbells(random.Random(1))

    assert doorbells.way()(encoded(command)) == encoded(command)
    assert doorbells.counts[kind] == {"passed": 1}


def test_a_ring_that_is_repeated_is_pushed_twice_by_one_command() -> None:
    assert Doorbells(random.Random(1), repeat=1.0).way()(encoded(PUSH)) == encoded([*PUSH, PUSH[2]])


@pytest.mark.parametrize("name", [[b"LPUSH", b"forward"], [b"PUBLISH", b"rudderproj:news"]])
def test_what_was_held_back_comes_with_later_ones_and_none_is_made_up(name: list[bytes]) -> None:
    doorbells = Doorbells(random.Random(1), hold=1.0)
    way = doorbells.way()
    for number in range(3):
        assert way(encoded([*name, b"%d!" % number])) == ASK
    doorbells.hold = 0.0

    out = way(encoded([*name, b"last"])) + way(encoded([*name, b"end"]))

    assert out.count(name[1]) == 2
    assert {message for message in (b"0!", b"1!", b"2!", b"last", b"end") if b"\r\n%b\r\n" % message in out} == {
        *(b"0!", b"1!", b"2!"),
        *(b"last", b"end"),
    }


def test_rings_that_are_held_back_do_not_come_as_news() -> None:
    doorbells = Doorbells(random.Random(1), hold=1.0)
    way = doorbells.way()
    way(encoded(PUSH))
    doorbells.hold = 0.0

    assert way(encoded(PUBLISH)) == encoded(PUBLISH)


def test_a_broker_publishes_news_again_and_late_and_answers_each_by_a_number() -> None:
    url = os.environ["CELERY_BROKER_URL"]
    port = urlsplit(url).port or 6379
    doorbells = Doorbells(random.Random(1))
    with (
        relaying(port, doorbells.way) as relay,
        contextlib.closing(Redis.from_url(url.replace(f":{port}", f":{relay.port}"))) as client,
        contextlib.closing(PubSub(ConnectionPool.from_url(url))) as listener,
    ):
        listener.subscribe(doorbell.NEWS)
        doorbells.hold = 1.0
        answers = [client.publish(doorbell.NEWS, "held")]
        doorbells.hold, doorbells.repeat = 0.0, 1.0
        answers.append(client.publish(doorbell.NEWS, "twice"))
        doorbells.repeat, doorbells.drop = 0.0, 1.0
        answers.append(client.publish(doorbell.NEWS, "dropped"))
        doorbells.drop = 0.0
        answers.append(client.publish(doorbell.NEWS, "last"))

        assert sorted(_heard(listener, until=b"last")) == [b"held", b"last", b"twice", b"twice"]
        assert [type(answer) for answer in answers] == [int] * 4


def _heard(listener: PubSub, until: bytes) -> list[bytes]:
    """What is published up to this."""
    found: list[bytes] = []
    while until not in found:
        message = listener.get_message(timeout=10)
        assert message, f"{found} and no more"
        found += [message["data"]] if message["type"] == "message" else []
    return found
