"""What goes on, and what must not, while something is away: judged by the ledger of that time."""

from pathlib import Path

import pytest

from destinations.verify.traffic import Numbered
from drills.faults import destinations, machines
from drills.scene import Scene
from tests.drills.test_scene import scene


def with_ledger(folder: Path, *events: tuple[int, float, float | None]) -> Scene:
    """A scene with events, one of each user: the user, when it was accepted, when it arrived."""
    found = scene(folder, 1000.0)
    ledger = found.load.ledger()
    for user, accepted, delivered in events:
        ledger.accepted[Numbered(user, 1)] = accepted
        if delivered is not None:
            ledger.delivered[Numbered(user, 1)] = delivered
    return found


def test_nothing_may_come_while_nobody_is_there(tmp_path: Path) -> None:
    found = with_ledger(tmp_path, (1, 1.0, 9.9), (2, 1.0, 20.0), (3, 11.0, None))
    destinations._judge_down(found, 10.0, 20.0)
    assert found.marks.complaints == []

    destinations._judge_down(found, 9.0, 20.0)
    destinations._judge_down(found, 12.0, 20.0)
    assert found.marks.complaints == [
        "something came for 1 users while nobody was there",
        "nothing was accepted that nobody was there for",
    ]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "OTHER_SECONDS", 0.0)


def test_the_machine_that_is_left_sends_to_all_who_waited_and_takes_what_it_is_sent(tmp_path: Path) -> None:
    found = with_ledger(tmp_path, (1, 9.0, 15.0), (2, 9.0, 16.0), (3, 12.0, None))

    machines._judge_other(found, 10.0, {1, 2}, accepts=True)

    assert (found.marks.complaints, found.marks.notes) == ([], ["2 users waited for the machine that was cut off"])


def test_a_machine_that_is_left_and_stands_still_fails_the_drill(tmp_path: Path) -> None:
    found = with_ledger(tmp_path, (1, 9.0, 15.0), (2, 9.0, None))

    machines._judge_other(found, 10.0, {1, 2}, accepts=True)

    assert found.marks.complaints == [
        "1 of 2 got nothing from the other machine meanwhile",
        "the machine that was left accepted nothing",
    ]


def test_where_nobody_waited_nothing_is_proven_and_what_cannot_accept_need_not(tmp_path: Path) -> None:
    found = with_ledger(tmp_path)

    machines._judge_other(found, 10.0, set(), accepts=False)

    assert found.marks.complaints == ["nobody waited for the machine that was cut off: that proves nothing"]
