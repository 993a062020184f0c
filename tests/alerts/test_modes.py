"""Changing the mode."""

from functools import partial

import pytest

from alerts import modes
from alerts.models import ModeChange
from tests.race import together

pytestmark = pytest.mark.usefixtures("committed")


def history() -> list[tuple[str, str, str, str]]:
    return list(ModeChange.objects.order_by("id").values_list("from_mode", "to_mode", "reason", "actor"))


def test_a_change_is_in_force_and_in_the_history_with_the_same_time() -> None:
    assert modes.set_mode("degraded", "crash loop", "ada")
    mode = modes.current()
    assert (mode.mode, mode.reason, mode.actor, mode.forwards) == ("degraded", "crash loop", "ada", False)
    assert history() == [("normal", "degraded", "crash loop", "ada")]
    assert ModeChange.objects.get().at == mode.since


def test_asking_for_the_mode_that_is_changes_nothing() -> None:
    before = modes.current()
    assert not modes.set_mode("normal", "again", "ada")
    assert modes.current() == before
    assert history() == []


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of normal, degraded"):
        modes.set_mode("Degraded", "", "")


def test_of_many_who_ask_at_once_one_makes_the_change() -> None:
    results = together([partial(modes.set_mode, "degraded", name, name) for name in "abcdefgh"])
    assert sorted(results) == [False] * 7 + [True]
    assert len(history()) == 1
