"""What fails a drill, and what the table says of it."""

from typing import Any

import pytest

from destinations import link
from drills.judging import CHECKPOINT_EVENTS, IN_FLIGHT, LINKS, UNCHECKPOINTED, Marks, Outcome, Target, outcome
from drills.ledger import Ledger
from drills.table import render
from rudderproj import env

CLEAN = {"accepted": 9, "unknown": 0, "lost": 0, "duplicates": 0, "out_of_order": 0, "difference": 0, "unexpected": 0}


def judged(marks: Marks | None = None, ledger: Ledger | None = None, **report: Any) -> Outcome:
    return outcome("d", Target(5.0), marks or Marks(), CLEAN | report, ledger or Ledger())


def test_the_bound_of_duplicates_is_what_the_settings_let_links_send_between_checkpoints() -> None:
    known = env.read({})

    assert (link.CHECKPOINT_EVENTS, known["FORWARD_CONCURRENCY"], known["FORWARD_SHARE"]) == (
        CHECKPOINT_EVENTS,
        IN_FLIGHT,
        LINKS,
    )


def test_a_drill_without_loss_has_no_problems() -> None:
    assert judged().problems == []


@pytest.mark.parametrize(
    ("report", "problem"),
    [
        ({"lost": 2}, "2 lost"),
        ({"out_of_order": 1}, "1 out of order"),
        ({"duplicates": 1}, "1 duplicates, 0 at most"),
        ({"accepted": 0}, "nothing was accepted"),
        ({"difference": 3}, "the terms differ by 3"),
        ({"difference": None}, "the terms differ by None"),
        ({"unexpected": 4}, "4 unexpected"),
    ],
)
def test_each_fault_of_the_report_is_a_problem(report: dict[str, Any], problem: str) -> None:
    assert judged(**report).problems == [problem]


def test_what_was_sent_after_the_last_checkpoint_of_what_was_killed_may_come_twice_and_no_more() -> None:
    marks = Marks(may_repeat=UNCHECKPOINTED)

    assert judged(marks, duplicates=UNCHECKPOINTED).problems == []
    assert judged(marks, duplicates=UNCHECKPOINTED + 1).problems == ["529 duplicates, 528 at most"]


def test_what_a_fault_complains_of_is_a_problem() -> None:
    assert judged(Marks(complaints=["beat is gone"])).problems == ["beat is gone"]


def test_of_several_recoveries_the_slowest_is_told_and_marked_and_fails_nothing() -> None:
    ledger = Ledger()
    ledger.accepted = {(0, 1): 11.0, (0, 2): 21.0}  # type: ignore[dict-item]
    ledger.delivered = {(0, 1): 12.0, (0, 2): 29.0}  # type: ignore[dict-item]

    found = judged(Marks(recoveries=[10.0, 20.0]), ledger)

    assert (found.first_delivery_seconds, found.backlog_seconds, found.is_late, found.problems) == (9, 9, True, [])


def test_a_recovery_that_never_came_is_told_as_none() -> None:
    found = judged(Marks(recoveries=[10.0]))

    assert (found.first_delivery_seconds, found.is_late) == (None, True)


def test_the_table_says_what_failed_what_was_slow_and_what_was_skipped() -> None:
    outcomes = [
        Outcome("kill", 1234, lost=1, first_delivery_seconds=1.25, backlog_seconds=2.0, refused=3),
        Outcome("slow", 10, first_delivery_seconds=7.0, target=Target(5.0), notes=["p99 3 ms"]),
        Outcome("mount", skipped="not root"),
    ]

    assert render(outcomes).splitlines() == [
        "| drill | accepted | lost | duplicates | out of order | first delivery s | backlog s | refused |"
        "                               |",
        "| ----- | -------: | ---: | ---------: | -----------: | ---------------: | --------: | ------: |"
        " ----------------------------- |",
        "| kill  |    1,234 |    1 |          0 |            0 |              1.2 |       2.0 |       3 |"
        " FAILED: 1 lost                |",
        "| slow  |       10 |    0 |          0 |            0 |              7.0 |         - |       0 |"
        " ok, slower than 5 s, p99 3 ms |",
        "| mount |          |      |            |              |                  |           |         |"
        " skipped: not root             |",
    ]
