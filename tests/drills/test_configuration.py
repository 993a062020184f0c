"""What the drill that changes the configuration expects of an event, knowing only what a client knows."""

import pytest

from drills.faults.configuration import Switch
from drills.trickle import Sent

MADE, OFF, ON = (True, 10.0, 11.0), (False, 20.0, 21.0), (True, 30.0, 31.0)


def switch(*changes: tuple[bool, float, float], is_deleted: bool = False) -> Switch:
    return Switch("d", 1, 2, list(changes), is_deleted=is_deleted)


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
