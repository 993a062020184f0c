"""What a ledger says about the time after a fault."""

import math

import pytest

from destinations.verify.ledger import Kind, Record
from destinations.verify.traffic import Numbered
from drills.blows import Repeat
from drills.ledger import Ledger

RUN: Record = {"kind": "run", "mono": 0.0, "run": "verify-1"}


def accepted(at: float, *numbers: int) -> Record:
    return {"kind": Kind.ACCEPTED.value, "mono": at, "events": [[7, number] for number in numbers]}


def arrived(at: float, number: int, final: bool = True) -> Record:
    return {"kind": Kind.ARRIVED.value, "mono": at, "message_id": f"verify-1-7-{number}", "final": final}


def reached(at: float, number: int) -> Record:
    return {"kind": Kind.REACHED.value, "mono": at, "message_id": f"verify-1-7-{number}"}


def late(at: float, number: int) -> Record:
    return arrived(at, number, final=False) | {"late": True}


def ledger(*records: Record) -> Ledger:
    found = Ledger()
    found.add([RUN, *records])
    return found


def test_the_first_delivery_after_a_moment_is_of_an_event_accepted_since() -> None:
    found = ledger(accepted(9, 1), accepted(11, 2), arrived(12, 1), arrived(14, 2))

    assert found.first_delivery_after(10) == 4


def test_without_an_event_accepted_since_there_is_no_first_delivery() -> None:
    assert ledger(accepted(9, 1), arrived(12, 1)).first_delivery_after(10) is None


def test_the_slowest_user_is_seen_whose_lane_is_stuck_while_others_have_theirs_at_once() -> None:
    found = Ledger()
    for number in range(300):  # of 20 users half get nothing from 10 to 70
        event, at = Numbered(number % 20, number // 20), number / 10
        found.accepted[event] = at
        found.delivered[event] = at + 0.25 if at <= 9 or number % 2 else 70.0

    assert found.first_delivery_after(10) == pytest.approx(0.35)  # of what was accepted at 10.1
    assert found.slowest_user_after(10) == pytest.approx(59.8)  # of what was accepted at 10.2


def test_a_user_who_is_owed_something_waits_for_all_of_it_when_nothing_is_accepted_since() -> None:
    found = ledger(accepted(9, 1, 2), arrived(11, 1), arrived(14, 2))

    assert found.slowest_user_after(10) == 4
    assert found.slowest_user_after(15) is None  # nobody is owed anything
    assert ledger(accepted(9, 1)).slowest_user_after(10) is None  # it never came


def test_a_user_who_sends_seldom_does_not_wait_until_they_send() -> None:
    found = ledger(accepted(9, 1), arrived(9.5, 1), accepted(40, 2), arrived(41.5, 2), accepted(42, 3), arrived(50, 3))

    assert found.slowest_user_after(10) == 1.5


def test_an_arrival_before_the_moment_is_none_after_it_whenever_the_client_heard() -> None:
    assert ledger(accepted(11, 1), arrived(9, 1), accepted(12, 2), arrived(13, 2)).first_delivery_after(10) == 3


def test_an_arrival_that_was_not_answered_for_good_is_no_delivery() -> None:
    found = ledger(accepted(11, 1), arrived(12, 1, final=False), arrived(15, 1))

    assert found.first_delivery_after(10) == 5


def test_a_second_arrival_changes_nothing() -> None:
    assert ledger(accepted(11, 1), arrived(12, 1), arrived(19, 1)).first_delivery_after(10) == 2


def test_the_backlog_is_over_when_for_a_second_nothing_has_been_owed_for_longer() -> None:
    found = ledger(accepted(9.5, 1), accepted(12, 2), accepted(20, 3), arrived(13.5, 1), arrived(15, 2), arrived(22, 3))

    assert found.backlog_after(10) == 5  # the third was late too, after everything had been well


def test_a_backlog_that_was_never_there_takes_the_second_that_tells() -> None:
    assert ledger(accepted(10, 1), arrived(10.5, 1)).backlog_after(10) == 1


def test_a_backlog_with_something_that_never_came_has_no_end() -> None:
    assert ledger(accepted(9.5, 1)).backlog_after(10) is None


def test_requests_that_were_put_off_or_not_answered_are_counted() -> None:
    found = ledger({"kind": "put_off", "mono": 1.0}, {"kind": "unanswered", "mono": 2.0}, {"kind": "sent", "mono": 3.0})

    assert found.refused == 2


def test_of_a_repeat_it_counts_when_the_event_was_there_before_and_when_it_came_again() -> None:
    found = ledger(accepted(9, 1, 2), arrived(10, 1), arrived(11, 1), arrived(12, 2), arrived(13, 1), late(14, 1))

    assert found.repeated == [
        Repeat(Numbered(7, 1), 10, 11),
        Repeat(Numbered(7, 1), 11, 13),
        Repeat(Numbered(7, 1), 13, 14),
    ]
    assert found.unheard == [Repeat("verify-1-7-1", 14)]


def test_a_try_that_was_not_answered_for_good_is_not_repeated_by_the_next() -> None:
    found = ledger(accepted(9, 1), reached(9.5, 1), late(10, 1), arrived(11, 1, final=False), arrived(12, 1))

    assert (found.repeated, found.delivered[Numbered(7, 1)]) == ([], 12)
    assert found.unheard == [Repeat("verify-1-7-1", 10)]


def test_arrivals_of_another_run_are_no_repeats() -> None:
    other: Record = {"kind": "arrived", "mono": 11.0, "message_id": "verify-2-7-1", "final": True}

    assert ledger(accepted(9, 1), arrived(10, 1), other, other).repeated == []


def test_what_is_owed_and_how_long_each_waited_counts_what_has_not_arrived_as_endless() -> None:
    found = ledger(accepted(9, 1), accepted(11, 2), accepted(12, 3), arrived(11.5, 1), arrived(12.25, 2))

    assert found.owed == 1
    assert found.waits(10, 20) == [1.25, math.inf]


def test_the_load_begins_with_its_run() -> None:
    assert (Ledger().began, ledger().began) == (None, 0)
