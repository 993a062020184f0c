"""`manage.py mode`."""

import io

import pytest
from django.conf import settings
from django.core.management import call_command

from alerts import modes
from alerts.models import ModeChange
from rudderproj import account

pytestmark = pytest.mark.usefixtures("committed")


def mode(*arguments: str) -> str:
    out = io.StringIO()
    call_command("mode", *arguments, stdout=out)
    return out.getvalue().strip()


def test_the_mode_is_changed_once_with_who_and_why() -> None:
    assert mode("degraded", "--reason", " crash loop ") == "now degraded"
    assert mode("degraded", "--reason", "again") == "already degraded"
    change = ModeChange.objects.get()
    assert (change.to_mode, change.reason) == ("degraded", "crash loop")
    assert change.actor
    assert mode().startswith("degraded since 20")
    assert mode().endswith("(crash loop)")
    assert mode("normal", "--reason", "fixed") == "now normal"
    assert modes.current().forwards


def test_who_takes_over_what_recovery_said_is_told_so() -> None:
    modes.set_mode("degraded", "a loop", "recovery")
    actor = account.name()
    assert mode("degraded", "--reason", "keep it stopped") == f"degraded already; now by {actor}"
    assert mode("degraded", "--reason", "again") == "already degraded"
    assert (modes.current().actor, modes.current().reason) == (actor, "keep it stopped")


def test_a_forced_mode_is_shown_and_the_stored_one_changed_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.ENV, "RSERVER_MODE", "normal")
    assert mode("degraded", "--reason", "x") == "now degraded"
    assert mode() == "normal, forced by RSERVER_MODE; stored: degraded"
