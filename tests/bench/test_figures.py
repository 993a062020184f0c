"""Runs summed up, compared, kept and laid out."""

from typing import Any

import pytest

from bench import figures, page, report, rows
from bench.scenarios.scenario import Comparison, Figure, Scenario

MACHINE = {
    "commit": "c0ffee",
    "processor": "p",
    "postgresql": "17",
    "system": "s",
    "python": "3",
    "cpus": 2,
    "memory_bytes": 2**30,
    "calibration": {"cpu_ms": 20.0},
}


def run(rate: float, lost: int = 0) -> dict[str, Any]:
    return {
        "delivered_per_second": rate,
        "latency_ms": {"p95": rate / 100},
        "cpu_seconds_per_event": {"web": 0.0002},
        "lost": lost,
        "duplicates": 0,
        "out_of_order": 0,
        "other_cpus": 0.04,
    }


def scenario(name: str = "s", figure: Figure | None = None) -> Scenario:
    return Scenario(name, figure or Figure("delivered_per_second", "events/s", 2000), lambda *_: {})


def result(name: str, *rates: float) -> dict[str, Any]:
    kept = figures.summary(scenario(name), [run(rate) for rate in rates])
    return kept | {"measured_at": "2026-01-02T03:04:05+00:00", "calibration": {"cpu_ms": 20.0}, "commit": "c0ffee"}


def test_a_scenario_is_told_by_its_median_and_its_smallest_and_largest_run() -> None:
    kept = figures.summary(scenario(), [run(1900), run(2600), run(2100)])

    assert kept["median"]["delivered_per_second"] == 2100
    assert kept["median"]["latency_ms"] == {"p95": 21.0}
    assert (kept["spread"], kept["is_met"]) == ([1900, 2600], True)


def test_runs_on_several_stacks_are_told_as_if_on_one() -> None:
    merged = figures.merged(scenario("s"), [result("s", 1900), result("s", 2600), result("s", 2100)])

    assert merged == result("s", 1900, 2600, 2100)


def test_of_what_went_wrong_the_worst_run_counts() -> None:
    kept = figures.summary(scenario(), [run(2000), run(2000, lost=3), run(2000)])

    assert kept["median"]["lost"] == 3
    assert figures.wrong(kept) == 3


@pytest.mark.parametrize(
    ("value", "is_most", "reach", "expected"),
    [(5, False, 5, True), (4.9, False, 5, False), (5, True, 5, True), (5.1, True, 5, False), (5, True, None, None)],
)
def test_a_reach_is_met_from_its_own_side(
    value: float, is_most: bool, reach: float | None, expected: bool | None
) -> None:
    assert Figure("f", "u", reach, is_most).is_met(value) is expected


def test_two_scenarios_are_compared_turn_by_turn() -> None:
    doubling = Comparison("1 → 2", "two", "one", Figure("delivered_per_second", "×", 0.85), factor=2.0)
    measured = [result("one", 1000, 2000, 500), result("two", 1600, 3200, 2000)]  # medians say 1

    compared = figures.compared(doubling, measured)

    assert compared is not None
    assert (compared["value"], compared["spread"], compared["is_met"]) == (0.8, [0.8, 2.0], False)
    assert figures.compared(doubling, measured[:1]) is None


@pytest.mark.parametrize(("one", "two"), [((1000, 0), (1600, 1)), ((1000,), (1600, 3200))])
def test_what_was_not_measured_in_the_same_turns_or_was_nothing_is_not_compared(
    one: tuple[float, ...], two: tuple[float, ...]
) -> None:
    doubling = Comparison("1 → 2", "two", "one", Figure("delivered_per_second", "×", 1.1, is_most=True))

    assert figures.compared(doubling, [result("one", *one), result("two", *two)]) is None


def test_a_comparison_is_kept_until_one_of_its_sides_is_measured_again() -> None:
    doubling = Comparison("1 → 2", "two", "one", Figure("delivered_per_second", "×", 0.85))
    before = report.assembled(MACHINE, [result("one", 1), result("two", 2), result("three", 3)], [doubling])

    same = report.assembled(MACHINE, [result("three", 4)], [doubling], before)
    other = report.assembled(MACHINE, [result("two", 4)], [doubling], before)

    assert [one["value"] for one in same["comparisons"]] == [2.0]
    assert other["comparisons"] == []


def test_measuring_some_scenarios_again_keeps_the_others() -> None:
    before = report.assembled(MACHINE, [result("a", 1), result("b", 2)], [])

    after = report.assembled(MACHINE | {"calibration": {"cpu_ms": 30.0}}, [result("b", 3)], [], before)

    assert [(one["name"], one["spread"]) for one in after["scenarios"]] == [("a", [1, 1]), ("b", [3, 3])]


def test_what_another_machine_measured_is_not_kept() -> None:
    before = report.assembled(MACHINE, [result("a", 1)], [])

    after = report.assembled(MACHINE | {"cpus": 4}, [result("b", 3)], [], before)

    assert [one["name"] for one in after["scenarios"]] == ["b"]


def test_a_row_has_cpu_in_microseconds_an_event() -> None:
    heads, row = rows.cells([result("a", 1900, 2100, 2600)], [])
    told = dict(zip(heads, row, strict=True))

    assert (told["median"], told["min..max"], told["reach"], told["met"]) == ("2,100", "1,900..2,600", "≥ 2,000", "yes")
    assert (told["web"], told["forward"], told["wrong"], told["p95 ms"]) == ("200", "", "0", "21.0")


def test_a_page_gets_other_figures_between_its_marks_and_keeps_the_rest() -> None:
    text = f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n"
    document = report.assembled(MACHINE, [result("a", 2100)], [])

    new = page.renewed(text, page.generated(document))

    assert new.startswith("before\n")
    assert new.endswith("\nafter\n")
    assert "old" not in new
    assert "| a " in new
    assert "at c0ffee: 2 CPUs (p), 1 GiB, Python 3, PostgreSQL 17" in new
    assert page.renewed(new, page.generated(document)) == new


def test_a_page_names_the_rows_of_another_commit() -> None:
    others = [result(name, 2100) for name in ("b", "c")]
    document = report.assembled(MACHINE, [result("a", 2100) | {"commit": "f00d"}, *others], [])

    assert "at c0ffee, and at f00d: a: 2 CPUs" in page.generated(document)


def test_a_page_without_marks_is_left_alone() -> None:
    with pytest.raises(ValueError, match="marks"):
        page.renewed("no marks", "figures")


def test_the_page_of_this_repository_has_its_marks() -> None:
    assert page.renewed(page.PAGE.read_text(), "new").count("new") >= 1
