"""Rings on a bad way: only pushes of the forward queue change, and both ends keep in step."""

import random

from drills.doorbells import Doorbells, encoded

PUSH = [b"LPUSH", b"forward", b'{"body": "x"}']


def test_what_is_no_ring_passes_as_it_came_however_it_is_cut() -> None:
    way = Doorbells(random.Random(1), drop=1.0).way()
    data = encoded([b"SET", b"forward", b"\r\n*3\r\n"]) + encoded([b"LPUSH", b"alerts", b"m"])

    assert b"".join(way(data[at : at + 1]) for at in range(len(data))) == data


def test_a_ring_that_is_dropped_becomes_a_question_with_the_same_kind_of_answer() -> None:
    assert Doorbells(random.Random(1), drop=1.0).way()(encoded(PUSH)) == encoded([b"LLEN", b"forward"])


def test_a_ring_that_is_repeated_is_pushed_twice_by_one_command() -> None:
    assert Doorbells(random.Random(1), repeat=1.0).way()(encoded(PUSH)) == encoded([*PUSH, PUSH[2]])


def test_rings_that_were_held_back_come_with_later_ones_and_none_is_made_up() -> None:
    doorbells = Doorbells(random.Random(1), hold=1.0)
    way = doorbells.way()
    for number in range(3):
        assert way(encoded([b"LPUSH", b"forward", b"%d" % number])) == encoded([b"LLEN", b"forward"])
    doorbells.hold = 0.0

    out = way(encoded([b"LPUSH", b"forward", b"last"])) + way(encoded([b"LPUSH", b"forward", b"end"]))

    assert out.count(b"LPUSH") == 2
    assert {message for message in (b"0", b"1", b"2", b"last", b"end") if b"\r\n%b\r\n" % message in out} == {
        *(b"0", b"1", b"2"),
        *(b"last", b"end"),
    }
