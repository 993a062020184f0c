"""What fails a drill, and what the table says of it."""

from dataclasses import replace
from typing import Any

import pytest

from destinations.verify.traffic import Numbered
from drills.blows import Blow, Repeat
from drills.drill import KILLED_AGAIN_AND_AGAIN, WORKER_KILLED
from drills.faults import zones
from drills.judging import Marks, Miss, Outcome, Target, extended, is_proof, outcome
from drills.ledger import Ledger
from drills.registry import chosen
from drills.runner import BESIDES_SECONDS, Options
from drills.table import HEAD, counts, render

CLEAN = dict.fromkeys(("lost", "duplicates", "out_of_order", "answers_too_late"), 0) | {
    "accepted": 9,
    "faults": [],
}
OTHERS_SLOWER = Miss("others slower", 4.0, 1.0)
SILENT = "nothing arrived that was accepted afterwards"


def delivering() -> Ledger:
    """What was accepted at 11 and 21 arrived a second and eight seconds later."""
    ledger = Ledger(began=0.0)
    ledger.accepted = {Numbered(0, 1): 11.0, Numbered(0, 2): 21.0}
    ledger.delivered = {Numbered(0, 1): 12.0, Numbered(0, 2): 29.0}
    return ledger


def repeats(*moments: float) -> list[Repeat]:
    return [Repeat(number, moment) for number, moment in enumerate(moments)]


def judged(marks: Marks | None = None, ledger: Ledger | None = None, **report: Any) -> Outcome:
    return outcome("d", Target(5.0), marks or Marks(recoveries=[10.0]), CLEAN | report, ledger or delivering())


def test_a_drill_without_loss_has_no_problems() -> None:
    assert judged().problems == []


def test_each_fault_that_verify_names_is_a_problem_whatever_it_is() -> None:
    named = ["refused: 3", "still owed: 2", "the database could not be asked where the events are"]

    assert judged(faults=named).problems == named


def test_a_report_that_names_no_faults_at_all_is_none() -> None:
    report = {name: value for name, value in CLEAN.items() if name != "faults"}

    with pytest.raises(KeyError, match="faults"):
        outcome("d", Target(), Marks(), report, delivering())


def test_a_repeat_of_what_was_sent_when_links_forgot_is_none_and_any_other_is_a_problem() -> None:
    ledger, marks = delivering(), Marks(recoveries=[10.0], blows=[Blow(10.0, 10.0)])
    ledger.repeated = repeats(9.5)
    assert judged(marks, ledger, duplicates=1).problems == []

    ledger.repeated = repeats(3.0, 4.5, 9.5)
    assert judged(marks, ledger, duplicates=3).problems == [
        "duplicates: 2 of 3 that no fault explains, sent 3.0 to 4.5 s from its start"
    ]


def test_a_request_that_was_abandoned_where_nothing_died_is_a_problem() -> None:
    """It would hide a repeat: the sink could not answer, so the event was not done."""
    ledger = delivering()
    ledger.unheard = repeats(5.0)
    said = "answers that came too late: 1 of 1 that no fault explains, sent 5.0 to 5.0 s from its start"

    assert judged(ledger=ledger, answers_too_late=1).problems == [said]
    assert judged(Marks(recoveries=[10.0], blows=[Blow(5.5, 5.5)]), ledger, answers_too_late=1).problems == []


def test_a_ledger_that_tells_less_than_the_report_is_a_problem() -> None:
    assert judged(duplicates=2).problems == ["duplicates: 2 by verify, 0 by its ledger"]


def test_what_a_fault_complains_of_is_a_problem() -> None:
    assert judged(Marks(recoveries=[10.0], complaints=["beat is gone"])).problems == ["beat is gone"]


def test_of_several_recoveries_the_slowest_is_told_and_marked_and_fails_only_where_times_are_judged() -> None:
    found = judged(Marks(recoveries=[10.0, 20.0], slow=[OTHERS_SLOWER]))

    late = ["first delivery slower than 5 s", "others slower"]
    assert (found.first_delivery_seconds, found.backlog_seconds, found.late, found.problems) == (9, 9, late, [])
    assert Outcome("d", slow=[OTHERS_SLOWER], judges_times=True).problems == ["others slower"]
    assert Outcome("d", first_delivery_seconds=9.0, target=Target(5.0), judges_times=True).problems == late[:1]
    assert Outcome("d", first_delivery_seconds=4.0, target=Target(5.0), judges_times=True).problems == []


def test_what_takes_four_times_as_long_as_promised_fails_whether_times_are_judged_or_not() -> None:
    slow = Outcome("d", first_delivery_seconds=20.0, slowest_user_seconds=5.0, target=WORKER_KILLED)
    first = replace(slow, first_delivery_seconds=20.1)
    user = replace(slow, slowest_user_seconds=20.1)
    others = Outcome("d", slow=[Miss("others slower", 4.1, 1.0), OTHERS_SLOWER])

    assert (slow.problems, slow.is_late) == ([], True)
    assert first.problems == first.late == ["first delivery slower than 5 s, 4 times over"]
    assert user.problems == ["slowest user slower than 5 s, 4 times over"]
    assert user.late == ["first delivery slower than 5 s", *user.problems]
    assert (others.problems, others.is_late, is_proof([others])) == (["others slower, 4 times over"], False, False)


def test_a_drill_after_which_nothing_more_arrived_has_failed() -> None:
    silent = judged(Marks(recoveries=[10.0, 30.0]))

    assert (silent.first_delivery_seconds, silent.problems) == (None, [SILENT])
    assert judged(Marks()).problems == [SILENT]  # the fault never said that it is over


def test_a_second_load_shows_what_the_first_was_too_short_for_and_is_judged_too() -> None:
    marks = Marks(recoveries=[10.0, 30.0], complaints=["beat is gone"])
    later = Ledger(began=40.0)
    later.accepted = {Numbered(0, 1): 41.0}
    later.delivered = {Numbered(0, 1): 42.0}
    later.repeated = repeats(42.0)

    found = extended(judged(marks), judged(marks.last(), later, duplicates=1))

    assert found.first_delivery_seconds == 12
    assert found.problems == [
        "beat is gone",
        "duplicates: 1 of 1 that no fault explains, sent 2.0 to 2.0 s from its start",
    ]
    assert extended(judged(marks), judged(marks.last(), Ledger())).problems == ["beat is gone", SILENT]


def test_a_worker_that_is_killed_has_five_seconds_whichever_it_was() -> None:
    names = ["kill-forward", "kill-pool", "kill-all"]

    assert [drill.target for drill in chosen(names, quick=False)] == [WORKER_KILLED] * 3


def test_where_something_is_killed_again_and_again_it_has_twenty_seconds_from_the_last() -> None:
    (drill,) = chosen(["kill-any"], quick=False)

    assert drill.target == KILLED_AGAIN_AND_AGAIN == Target(20.0, is_of_all=True)


def test_a_zone_with_the_primary_has_fifteen_seconds_from_the_promotion() -> None:
    targets = [drill.target for drill in chosen(["zone-standby", "zone-broker", "zone-primary"], quick=False)]

    assert targets == [Target(20.0), Target(20.0), Target(zones.NOTICE_SECONDS + 15.0)]


def test_where_a_worker_is_killed_the_slowest_user_is_judged_and_elsewhere_only_told() -> None:
    elsewhere = Outcome("d", 9, first_delivery_seconds=0.1, slowest_user_seconds=20.0, target=Target(5.0))
    killed = replace(elsewhere, target=WORKER_KILLED)

    assert (elsewhere.late, killed.late) == ([], ["slowest user slower than 5 s"])
    assert (killed.is_passed, killed.is_late, killed.problems) == (False, True, [])
    assert replace(killed, judges_times=True).problems == killed.late


def test_the_slowest_user_of_all_recoveries_is_told() -> None:
    assert judged(Marks(recoveries=[10.0, 20.0])).slowest_user_seconds == 8.0


def test_the_table_says_what_failed_what_was_late_and_what_was_skipped() -> None:
    outcomes = [
        Outcome(
            "kill",
            1234,
            lost=1,
            complaints=["lost: 1"],
            first_delivery_seconds=1.25,
            slowest_user_seconds=3.0,
            backlog_seconds=2.0,
            refused=3,
            slow=[OTHERS_SLOWER, Miss("upkeep slower", 5.0, 1.0)],
        ),
        Outcome("slow", 10, first_delivery_seconds=7.0, target=Target(5.0), notes=["p99 3 ms"]),
        Outcome("well", 10, first_delivery_seconds=1.0),
        Outcome("mount", skipped="not root"),
    ]

    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in render(outcomes).splitlines()]

    assert rows[0] == list(HEAD)
    assert rows[2:] == [
        [
            "kill",
            "1,234",
            "1",
            "0",
            "0",
            "1.2",
            "3.0",
            "2.0",
            "3",
            "FAILED: lost: 1; upkeep slower, 4 times over, others slower",
        ],
        ["slow", "10", "0", "0", "0", "7.0", "-", "-", "0", "late: first delivery slower than 5 s, p99 3 ms"],
        ["well", "10", "0", "0", "0", "1.0", "-", "-", "0", "ok"],
        ["mount", *[""] * 8, "skipped: not root"],
    ]
    assert len({len(row) for row in render(outcomes).splitlines()}) == 1


PASSED, FAILED, SKIPPED = Outcome("a", 9), Outcome("b", 9, complaints=["1 lost"]), Outcome("c", skipped="no root")
LATE = Outcome("e", 9, slow=[OTHERS_SLOWER])
NO_TIME = Outcome("d", skipped="10 minutes are over", no_time=True)


def test_what_was_skipped_or_late_is_not_counted_as_passed() -> None:
    outcomes = [PASSED, PASSED, LATE, FAILED, SKIPPED, replace(LATE, judges_times=True)]

    assert counts(outcomes) == "2 passed, 1 late, 2 failed, 1 skipped"
    assert counts([SKIPPED, replace(SKIPPED, target=Target(5.0))]) == "0 passed, 0 late, 0 failed, 2 skipped"


@pytest.mark.parametrize(
    ("outcomes", "proof"),
    [
        ([PASSED, SKIPPED], True),
        ([PASSED, FAILED], False),
        ([SKIPPED], False),
        ([], False),
        ([PASSED, NO_TIME], False),
        ([PASSED, LATE], True),
        ([LATE], True),
        ([PASSED, replace(LATE, judges_times=True)], False),
    ],
)
def test_only_a_run_in_which_some_passed_none_failed_and_none_was_left_out_for_time_is_a_proof(
    outcomes: list[Outcome], proof: bool
) -> None:
    assert is_proof(outcomes) is proof


def test_a_drill_that_does_not_fit_into_the_time_is_skipped_and_says_so() -> None:
    (drill,) = chosen(["kill-pool"], quick=True)
    options = Options(is_quick=True, minutes=10)
    last = 600 - drill.quick_seconds - BESIDES_SECONDS

    assert (options.no_time(drill, last), options.no_time(drill, last + 1)) == ("", "10 minutes are over")
    assert Options().no_time(drill, 10_000) == ""
