"""The judgement, against histories written by hand and against the order oracle."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destinations.oracle.check import check
from destinations.verify.account import Account
from destinations.verify.ledger import Kind, Record

RUN = "verify-1"


def told(kind: Kind, *events: tuple[int, int], at: float = 0.0, **fields: Any) -> Record:
    return {"kind": kind, "mono": at, "events": list(events), **fields}


def accepted(*events: tuple[int, int], at: float = 0.0) -> list[Record]:
    return [told(Kind.SENT, *events, at=at), told(Kind.ACCEPTED, *events, at=at)]


def arrived(user: int, number: int, status: int | None = 200, at: float = 0.0) -> Record:
    is_final = status is not None and status < 500 and status != 429
    return {
        "kind": Kind.ARRIVED,
        "mono": at,
        "message_id": f"{RUN}-{user}-{number}",
        "status": status,
        "final": is_final,
    }


def reached(user: int, number: int) -> Record:
    return {"kind": Kind.REACHED, "mono": 0.0, "message_id": f"{RUN}-{user}-{number}"}


def judged(*records: Record) -> Account:
    account = Account(RUN)
    for record in records:
        account.add(record)
    return account


def counts(account: Account) -> dict[str, int]:
    """What is not 0."""
    names = (
        *("accepted", "refused", "unknown", "delivered", "waiting", "turned_away", "unknown_delivered"),
        *("duplicates", "out_of_order", "unexpected", "unknown_turned_away", "answered_unlike"),
    )
    return {name: found for name in names if (found := getattr(account, name))}


def test_what_was_accepted_and_arrived_in_order_is_delivered() -> None:
    account = judged(*accepted((1, 0), (2, 0)), *accepted((1, 1)), arrived(1, 0), arrived(2, 0), arrived(1, 1))

    assert counts(account) == {"accepted": 3, "delivered": 3}


def test_what_never_arrived_is_waiting_and_named() -> None:
    account = judged(*accepted((1, 0), (1, 1)), arrived(1, 0))

    assert counts(account) == {"accepted": 2, "delivered": 1, "waiting": 1}
    assert account.examples() == [f"{RUN}-1-1"]


def test_a_second_arrival_after_a_success_is_a_duplicate() -> None:
    assert counts(judged(*accepted((1, 0)), arrived(1, 0), arrived(1, 0), arrived(1, 0, 202))) == {
        "accepted": 1,
        "delivered": 1,
        "duplicates": 2,
    }


@pytest.mark.parametrize("answers", [(200, 400), (400, 200), (200, 503), (400, None)])
def test_an_event_that_is_answered_otherwise_when_it_comes_again_is_answered_unlike(answers: tuple[int, int]) -> None:
    first, *_ = answers
    account = judged(*accepted((1, 0)), *(arrived(1, 0, status) for status in (*answers, answers[1])))

    done = "delivered" if first == 200 else "turned_away"
    assert counts(account) == {"accepted": 1, done: 1, "duplicates": 2, "answered_unlike": 1}


def test_an_event_that_reaches_the_sink_while_an_earlier_one_is_not_answered_puts_that_out_of_order() -> None:
    sent = accepted((1, 0), (1, 1), (2, 0))
    account = judged(*sent, reached(1, 0), reached(2, 0), reached(1, 1), arrived(1, 0), arrived(2, 0), arrived(1, 1))

    assert counts(account) == {"accepted": 3, "delivered": 3, "out_of_order": 1}


def test_what_reaches_the_sink_after_the_answer_to_the_one_before_is_in_order() -> None:
    account = judged(*accepted((1, 0), (1, 1)), reached(1, 0), arrived(1, 0), reached(1, 1), arrived(1, 1))

    assert counts(account) == {"accepted": 2, "delivered": 2}


def test_what_a_sender_that_hung_up_had_begun_is_over() -> None:
    """It died with a repeat of 0 and with 1 in flight; the next one begins before those."""
    killed = (reached(1, 0), arrived(1, 0), reached(1, 0), reached(1, 1))
    hung_up = [arrived(1, number, None) | {"late": True} for number in (0, 1)]
    again = (reached(1, 0), arrived(1, 0), reached(1, 1), arrived(1, 1), reached(1, 2), arrived(1, 2))
    account = judged(*accepted((1, 0), (1, 1), (1, 2)), *killed, *hung_up, *again)

    assert counts(account) == {"accepted": 3, "delivered": 3, "duplicates": 2, "answered_unlike": 1}


def test_a_repeat_in_hand_holds_nobody_up() -> None:
    account = judged(
        *accepted((1, 0), (1, 1)),
        reached(1, 0),
        reached(1, 0),
        arrived(1, 0),
        reached(1, 1),
        arrived(1, 0),
        arrived(1, 1),
    )

    assert counts(account) == {"accepted": 2, "delivered": 2, "duplicates": 1}


def test_what_was_never_sent_reaches_the_sink_and_overtakes_nobody() -> None:
    account = judged(*accepted((1, 0)), reached(1, 7), reached(3, 0), {**reached(1, 0), "message_id": "other"})
    account.add(arrived(1, 0))

    assert counts(account) == {"accepted": 1, "delivered": 1}


def test_unknown_events_are_told_apart_by_the_sinks_answer_until_they_are_acknowledged() -> None:
    account = judged(told(Kind.SENT, (1, 0), (2, 0)), arrived(1, 0), arrived(2, 0, 400))
    assert counts(account) == {"unknown": 2, "unknown_delivered": 1, "unknown_turned_away": 1}

    account.add(told(Kind.ACCEPTED, (1, 0), (2, 0)))
    assert counts(account) == {"accepted": 2, "delivered": 1, "turned_away": 1}


def test_an_arrival_after_failed_ones_is_no_duplicate() -> None:
    tries = (arrived(1, 0, 503), arrived(1, 0, None), arrived(1, 0, 429), arrived(1, 0))

    assert counts(judged(*accepted((1, 0)), *tries)) == {"accepted": 1, "delivered": 1}


def test_an_event_that_is_overtaken_by_one_of_its_user_is_out_of_order_once() -> None:
    account = judged(*accepted((1, 0), (1, 1), (2, 0)), arrived(1, 1, 503), arrived(1, 1), arrived(2, 0), arrived(1, 0))

    assert counts(account) == {"accepted": 3, "delivered": 3, "out_of_order": 1}


def test_a_failed_event_that_is_overtaken_by_a_mere_try_is_out_of_order() -> None:
    account = judged(*accepted((1, 0), (1, 1)), arrived(1, 0, 503), arrived(1, 1, 503), arrived(1, 0), arrived(1, 1))

    assert counts(account) == {"accepted": 2, "delivered": 2, "out_of_order": 1}


def test_an_event_that_is_lost_puts_no_later_one_out_of_order() -> None:
    account = judged(*accepted((1, 0), (1, 1), (1, 2)), arrived(1, 0, 503), arrived(1, 1), arrived(1, 2))

    assert counts(account) == {"accepted": 3, "delivered": 2, "waiting": 1}


def test_a_delivered_unknown_is_no_fault() -> None:
    account = judged(told(Kind.SENT, (1, 0), (2, 0)), arrived(1, 0))

    assert counts(account) == {"unknown": 2, "unknown_delivered": 1}


def test_an_arrival_before_its_acknowledgement_is_delivered_in_no_time() -> None:
    account = judged(told(Kind.SENT, (1, 0)), arrived(1, 0, at=1.0), told(Kind.ACCEPTED, (1, 0), at=2.0))

    assert counts(account) == {"accepted": 1, "delivered": 1}
    assert account.latency_ms["max"] == 0


def test_what_the_sink_refused_for_good_is_turned_away_and_holds_nobody_up() -> None:
    account = judged(*accepted((1, 0), (1, 1)), arrived(1, 0, 400), arrived(1, 1))

    assert counts(account) == {"accepted": 2, "delivered": 1, "turned_away": 1}


def test_arrivals_of_what_was_never_sent_or_was_refused_are_unexpected() -> None:
    account = judged(
        *accepted((1, 0)),
        told(Kind.SENT, (2, 0)),
        told(Kind.REFUSED, (2, 0)),
        arrived(1, 0),
        arrived(1, 1),
        arrived(2, 0),
        arrived(3, 0),
        {"kind": Kind.ARRIVED, "mono": 0.0, "message_id": "other", "status": 200, "final": True},
    )

    assert counts(account) == {"accepted": 1, "refused": 1, "delivered": 1, "unexpected": 4}


def test_latency_and_the_longest_gap_are_measured_while_something_waits() -> None:
    account = judged(
        *accepted((1, 0), at=10.0),
        arrived(1, 0, at=10.5),
        *accepted((1, 1), (1, 2), at=100.0),
        arrived(1, 1, at=101.0),
        arrived(1, 2, at=103.0),
    )

    assert account.longest_gap(now=500.0) == 2.0  # nothing waits since 103
    assert account.latency_ms == {"p50": 1000.0, "p95": 3000.0, "p99": 3000.0, "max": 3000.0}


def test_the_longest_gap_may_be_at_the_beginning_or_not_be_over() -> None:
    account = judged(*accepted((1, 0), (2, 0), at=10.0), arrived(1, 0, at=15.0))

    assert account.longest_gap(now=16.0) == 5.0
    assert account.longest_gap(now=22.0) == 7.0


def test_an_arrival_whose_sender_hung_up_before_the_answer_leaves_its_event_open() -> None:
    late = arrived(1, 0, None, at=2.0) | {"late": True}
    account = judged(*accepted((1, 0)), late)
    assert (counts(account), account.late) == ({"accepted": 1, "waiting": 1}, 1)

    account.add(late)
    account.add(arrived(1, 0, at=5.0))
    assert (counts(account), account.late) == ({"accepted": 1, "delivered": 1}, 2)


def test_what_an_answer_was_made_to_wait_is_not_counted_as_latency() -> None:
    account = judged(*accepted((1, 0), at=10.0), arrived(1, 0, at=13.0) | {"waited": 2.0})

    assert account.latency_ms["max"] == 1000.0


def test_records_of_others_are_passed_over() -> None:
    assert counts(judged({"kind": "fault", "at": 1.0}, {"kind": Kind.RUN, "mono": 1.0})) == {}


ARRIVALS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from([200, 400, 503, None])))


class _Seen:
    def __init__(self, record: Record) -> None:
        self.message_id: str = record["message_id"]
        self.is_final: bool = record["final"]


@given(ARRIVALS)
def test_it_agrees_with_the_order_oracle(story: list[tuple[int, int, int | None]]) -> None:
    order = {str(user): [f"{RUN}-{user}-{number}" for number in range(4)] for user in range(3)}
    events = [(user, number) for number in range(4) for user in range(3)]
    records = [arrived(*arrival) for arrival in story]
    lost = check(order, [_Seen(record) for record in records]).lost
    assert judged(*accepted(*events), *records).waiting == len(lost)

    records += [arrived(*event) for event in events if f"{RUN}-{event[0]}-{event[1]}" in lost]
    account = judged(*accepted(*events), *records)

    report = check(order, [_Seen(record) for record in records])

    assert (account.waiting, account.delivered + account.turned_away) == (0, 12)
    assert account.duplicates == len(report.duplicates)
    assert bool(account.out_of_order) == bool(report.out_of_order)
