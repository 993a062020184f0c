"""Whether a fault was felt: what waited, who was held up, what was hit."""

from destinations.verify.traffic import Numbered
from drills import felt
from drills.ledger import Ledger


def ledger(*events: tuple[int, int, float, float | None]) -> Ledger:
    """Of events, each a user, a number, and when it was accepted and delivered."""
    found = Ledger(began=0.0)
    for user, number, accepted, delivered in events:
        found.accepted[Numbered(user, number)] = accepted
        if delivered is not None:
            found.delivered[Numbered(user, number)] = delivered
    return found


def test_an_event_that_arrives_before_what_it_has_to_wait_for_has_gone_ahead() -> None:
    found = ledger((1, 1, 9.0, 11.0), (1, 2, 11.0, 19.0), (2, 1, 12.0, 20.5), (2, 2, 13.0, None), (2, 3, 21.0, 21.5))

    assert (felt.accepted_between(found, 10.0, 20.0), felt.gone_ahead(found, 10.0, 20.0)) == (3, 1)


def test_a_user_is_held_up_who_is_owed_something_and_gets_nothing() -> None:
    owed, later, served = (1, 1, 5.0, None), (2, 1, 5.0, 30.0), (3, 1, 5.0, 12.0)
    still, paid, younger = (3, 2, 6.0, None), (4, 1, 5.0, 9.0), (5, 1, 15.0, 30.0)

    assert felt.held_up(ledger(owed, later, served, still, paid, younger), 10.0, 20.0) == {1, 2}


def test_an_arrival_before_its_acknowledgement_holds_nobody_up() -> None:
    found = ledger()
    found.delivered[Numbered(1, 1)] = 25.0

    assert felt.held_up(found, 10.0, 20.0) == set()


def test_those_are_served_to_whom_something_came_meanwhile() -> None:
    found = ledger((1, 1, 5.0, 9.0), (2, 1, 5.0, 12.0), (3, 1, 5.0, None))

    assert (felt.served_since(found, 10.0), felt.served_since(found, 8.0, 10.0)) == ({2}, {1})


def test_what_was_hit_too_seldom_is_named_also_what_was_never_counted() -> None:
    assert felt.missed({"a": 3, "b": 2}, {"a": 3, "b": 3, "c": 1}) == [
        "2 b were hit: at least 3 prove something",
        "0 c were hit: at least 1 prove something",
    ]


def test_a_try_is_too_soon_by_the_one_before_of_the_same_event() -> None:
    tries = [(10.0, "a"), (10.1, "b"), (11.9, "a"), (12.2, "b"), (13.9, "a"), (15.0, "a")]

    assert felt.too_soon(tries, 2.0) == 2
    assert felt.tried_once(tries[1:]) == set()
    assert felt.tried_once(tries[:3]) == {"b"}
