"""Changing the mode."""

from functools import partial

import pytest
from django.conf import settings

from alerts import modes
from alerts.models import ModeChange
from tests.race import together

pytestmark = pytest.mark.usefixtures("committed")


def history() -> list[tuple[str, str, str, str]]:
    return list(ModeChange.objects.order_by("id").values_list("from_mode", "to_mode", "reason", "actor"))


def test_a_change_is_in_force_and_in_the_history_with_the_same_time() -> None:
    assert modes.set_mode("degraded", "crash loop", "ada") == "normal"
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
    assert sorted(results) == [""] * 7 + ["normal"]
    assert len(history()) == 1


def test_an_operator_takes_over_what_recovery_said_and_nobody_takes_it_from_an_operator() -> None:
    modes.set_mode("degraded", "a loop", "recovery")
    assert modes.set_mode("degraded", "still a loop", "recovery") == ""
    assert modes.set_mode("degraded", "keep it stopped", "ada") == "degraded"
    mode = modes.current()
    assert (mode.mode, mode.reason, mode.actor) == ("degraded", "keep it stopped", "ada")
    assert modes.set_mode("degraded", "a loop", "recovery") == ""
    assert modes.set_mode("degraded", "me too", "bob") == ""
    assert history()[1:] == [("degraded", "degraded", "keep it stopped", "ada")]


def test_health_tells_since_when_why_and_by_whom_but_not_to_the_public(monkeypatch: pytest.MonkeyPatch) -> None:
    assert modes.for_health() == {"mode": "NORMAL", "modeSince": "", "modeReason": "", "modeActor": ""}
    modes.set_mode("degraded", "looking", "ada")
    since = f"{modes.current().since:%Y-%m-%dT%H:%M:%SZ}"
    assert modes.for_health() == {
        "mode": "DEGRADED",
        "modeSince": since,
        "modeReason": "looking",
        "modeActor": "ada",
    }
    monkeypatch.setitem(settings.ENV, "PUBLIC_ONLY", True)
    assert modes.for_health() == {"mode": "DEGRADED", "modeSince": since, "modeReason": "", "modeActor": ""}


@pytest.mark.parametrize("value", ["normal", "degraded"])
def test_a_forced_mode_overrides_the_stored_one_and_leaves_it(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.ENV, "RSERVER_MODE", value)
    other = "degraded" if value == "normal" else "normal"
    modes.set_mode("degraded", "looking", "ada")
    if other == "normal":
        modes.set_mode("normal", "looked", "ada")
    mode = modes.current()
    assert (mode.mode, mode.stored, mode.forced, mode.actor) == (value, other, True, "RSERVER_MODE")
    assert modes.for_health()["mode"] == value.upper()
    assert modes.without_effect() == f"RSERVER_MODE={value} is set: the stored mode has no effect as long as it is"
    monkeypatch.setitem(settings.ENV, "RSERVER_MODE", "")
    assert (modes.current().mode, modes.current().forced, modes.without_effect()) == (other, False, "")
