"""What the sink makes of what arrives."""

import pytest

from bench.ledger import Ledger, Seen, together


def ledger(*arrivals: tuple[str, int]) -> Ledger:
    made = Ledger()
    for user, number in arrivals:
        made.add(user, number, 1.0)
    return made


def verdict(seen: Seen) -> tuple[int, int, int, int]:
    return seen.delivered, seen.duplicates, seen.out_of_order, seen.missing


@pytest.mark.parametrize(
    ("arrivals", "expected"),
    [
        ([("a", 0), ("b", 0), ("a", 1)], (3, 0, 0, 0)),
        ([("a", 0), ("a", 0), ("a", 1)], (2, 1, 0, 0)),
        ([("a", 1), ("a", 0)], (2, 0, 1, 0)),
        ([("a", 0), ("a", 3)], (2, 0, 0, 2)),
        ([("a", 1), ("a", 0), ("a", 0)], (2, 1, 1, 0)),
    ],
    ids=["in order", "twice", "swapped", "two are missing", "swapped, then twice"],
)
def test_a_ledger_tells_what_is_wrong(arrivals: list[tuple[str, int]], expected: tuple[int, int, int, int]) -> None:
    assert verdict(together([ledger(*arrivals)])) == expected


def test_destinations_are_judged_apart_and_told_together() -> None:
    seen = together([ledger(("a", 0), ("a", 1)), ledger(("a", 0)), ledger(("a", 1), ("a", 0))])

    assert verdict(seen) == (5, 0, 1, 0)
    assert seen.first_at <= seen.last_at
    assert seen.latency_ms["p99"] == 1.0


def test_nothing_that_came_is_told_as_nothing() -> None:
    assert verdict(together([])) == (0, 0, 0, 0)
