"""What the drill that changes the configuration expects of an event, knowing only what a client knows."""

import pytest

from drills.faults.configuration import Switch, _passed_over
from drills.trickle import USERS, Sent, Trickle

MADE, OFF, ON = (True, 10.0, 11.0), (False, 20.0, 21.0), (True, 30.0, 31.0)


def switch(*changes: tuple[bool, float, float], is_deleted: bool = False, cut: float | None = None) -> Switch:
    return Switch("d", 1, 2, list(changes), is_deleted=is_deleted, cut=[] if cut is None else [cut])


@pytest.mark.parametrize(
    ("began", "ended", "expected"),
    [
        (8.0, 9.0, False),  # before it was there
        (9.0, 10.5, None),  # while it was made
        (10.5, 12.0, None),
        (12.0, 13.0, True),
        (19.0, 20.5, None),  # while it was switched off
        (22.0, 23.0, False),
        (12.0, 32.0, None),  # longer than it was off
        (32.0, 33.0, True),
    ],
)
def test_what_was_connected_decides_and_what_was_changed_meanwhile_is_open(
    began: float, ended: float, expected: bool | None
) -> None:
    assert switch(MADE, OFF, ON).expects(Sent("m", began, ended)) is expected


def test_what_a_deleted_destination_was_owed_is_open_and_nothing_later_is() -> None:
    deleted = switch(MADE, OFF, is_deleted=True)

    assert [deleted.expects(Sent("m", at, at + 1)) for at in (8.0, 12.0, 22.0)] == [False, None, False]


def test_what_a_deleted_connection_was_owed_is_open_and_what_the_next_one_is_owed_is_not() -> None:
    remade = switch(MADE, OFF, ON, cut=20.0)

    assert [remade.expects(Sent("m", at, at + 1)) for at in (8.0, 12.0, 22.0, 32.0)] == [False, None, False, True]


def test_what_one_connection_did_not_bring_is_passed_over_only_where_it_brought_something_later() -> None:
    remade, trickle = switch(MADE, OFF, ON, cut=20.0), Trickle()
    for number, at in enumerate((12.0, 14.0, 32.0)):
        trickle.events += [Sent(f"m{number}", at, at + 1), *[Sent("of others", 0.0, 1.0)] * (USERS - 1)]

    assert list(_passed_over(remade, trickle, {("/d", "m2"): 33.0})) == []
    assert list(_passed_over(remade, trickle, {("/d", "m1"): 15.0})) == [("/d", "m0")]
