"""What came to destinations of a drill's own: in order, once, and nothing passed over."""

import math

from destinations.oracle.script import HANG, OK, Reply
from destinations.oracle.sink import Arrival
from drills import arrivals
from drills.trickle import Sent

USERS = [[Sent("a", 1, 2), Sent("c", 3, 4), Sent("e", 5, 6)], [Sent("b", 2, 3), Sent("d", 4, 5)]]


def came(*ids: str, path: str = "/1", reply: Reply = OK) -> list[Arrival]:
    return [Arrival(10.0 + number, name, 1, reply, path, {}) for number, name in enumerate(ids)]


def test_users_are_in_order_each_by_itself_and_a_repeat_is_not_out_of_order() -> None:
    assert arrivals.out_of_order(came("b", "a", "c", "a", "d", "e"), USERS) == []
    assert arrivals.out_of_order(came("a", "e", "d", "c", "b"), USERS) == [("/1", "c"), ("/1", "b")]


def test_who_met_an_illness_is_told_from_who_was_there_before_and_after() -> None:
    assert arrivals.met(came("a") + came("b", "c", reply=HANG) + came("d"), HANG) == 2
    assert arrivals.met(came("a", "b"), HANG) == 0


def test_what_is_owed_is_what_did_not_come_within_a_second_to_each_path() -> None:
    events = [event for sent in USERS for event in sent]  # acknowledged at 2, 4, 6, 3 and 5
    assert arrivals.owed(events, ("/1", "/2"), came("a", "b") + came("a", path="/2"), now=5.5) == 3
    assert arrivals.owed(events, ("/1",), came("a", "b", "c"), now=5.5) == 0


def test_destinations_do_not_wait_for_each_other() -> None:
    assert arrivals.out_of_order(came("a", "c") + came("a", "c", path="/2"), USERS) == []


def test_one_that_was_only_tried_is_overtaken_too() -> None:
    tried = came("c", reply=HANG)

    assert arrivals.out_of_order([*tried, *came("a", "c")], USERS) == [("/1", "a")]
    assert arrivals.out_of_order([*came("a"), *tried, *came("c")], USERS) == []


def test_what_a_user_is_owed_before_something_that_came_must_have_come() -> None:
    at = arrivals.done(came("c", "b"))

    assert list(arrivals.passed_over("/1", USERS, at)) == [("/1", "a")]
    assert list(arrivals.passed_over("/2", USERS, at)) == []


def test_how_long_each_took_to_each_destination_counts_what_has_not_come_as_endless() -> None:
    at = arrivals.done([*came("a", "b"), *came("a", path="/2"), *came("a")])

    assert arrivals.waits([USERS[0][0], USERS[1][0]], ["/1", "/2"], at) == [8.0, 8.0, 8.0, math.inf]
