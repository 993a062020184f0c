"""What follows when a process restarts too often: the mode, once, with its reasons; and the way back."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from alerts import modes, recovery
from alerts.models import Crash, Life, Mode, ModeChange, Process
from alerts.processes import GONE_SECONDS
from alerts.recovery import evaluation
from alerts.recovery.signals import threshold_reached
from tests.race import together
from tests.recovery.crashes import came_back, database_now

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture(autouse=True)
def _as_started_long_ago(committed: None) -> None:
    Mode.objects.update(since=database_now() - timedelta(days=1))
    evaluation._told.clear()


def history() -> list[tuple[str, str, str]]:
    return list(ModeChange.objects.order_by("id").values_list("to_mode", "reason", "actor"))


def test_the_fifth_restart_switches_and_not_the_fourth_and_the_crashes_are_kept() -> None:
    came_back(4)
    recovery.evaluate()
    assert modes.current().mode == "normal"
    came_back(1, seconds_ago=1)
    recovery.evaluate()
    mode = modes.current()
    assert (mode.mode, mode.reason, mode.actor) == ("degraded", "5 restarts of n-1 in 300 s", "recovery")
    change = ModeChange.objects.get()
    assert (change.from_mode, change.to_mode, change.at) == ("normal", "degraded", mode.since)
    assert sorted(change.crashes) == sorted(str(pk) for pk in Crash.objects.values_list("id", flat=True))


def test_however_many_look_at_once_there_is_one_change() -> None:
    came_back(5)
    came_back(5, node="n-2")

    def look() -> None:
        evaluation._told.clear()
        recovery.evaluate()

    together([look] * 8)
    assert len(history()) == 1


def test_only_forwarding_switches() -> None:
    for role in ("web", "alerts", "beat"):
        came_back(7, role=role)
    recovery.evaluate()
    assert history() == []


def test_an_operator_who_brings_it_back_is_not_overruled_by_old_crashes() -> None:
    came_back(5)
    recovery.evaluate()
    modes.set_mode("normal", "fixed", "ada")
    recovery.evaluate()
    Mode.objects.update(since=database_now() - timedelta(seconds=8))
    came_back(4, seconds_ago=1)
    recovery.evaluate()
    assert modes.current().mode == "normal"
    came_back(1, seconds_ago=0)
    recovery.evaluate()
    assert [(to, actor) for to, _, actor in history()] == [
        ("degraded", "recovery"),
        ("normal", "ada"),
        ("degraded", "recovery"),
    ]


def test_a_decision_made_before_an_operator_acted_comes_too_late() -> None:
    came_back(5)
    (loop,) = recovery.loops()
    modes.set_mode("degraded", "looking", "ada")
    modes.set_mode("normal", "fixed", "ada")
    threshold_reached.send(sender=type(loop), loop=loop)
    assert modes.current().mode == "normal"


def test_disabled_or_forced_recovery_changes_nothing(settings: Any) -> None:
    came_back(5)
    for name, value in (("RECOVERY_ENABLED", False), ("RSERVER_MODE", "normal"), ("RSERVER_MODE", "degraded")):
        settings.ENV = settings.ENV | {"RECOVERY_ENABLED": True, "RSERVER_MODE": ""} | {name: value}
        evaluation._told.clear()
        recovery.evaluate()
    assert history() == []


def test_a_loop_is_told_once_for_each_restart() -> None:
    told: list[int] = []

    def listen(loop: Any, **_: Any) -> None:
        told.append(loop.restarts)

    threshold_reached.connect(listen)
    try:
        came_back(5, role="web")
        recovery.evaluate()
        recovery.evaluate()
        came_back(1, role="web", seconds_ago=1)
        recovery.evaluate()
    finally:
        threshold_reached.disconnect(listen)
    assert told == [5, 6]


def quiet(settings: Any, seconds: float = 60.0) -> None:
    """Wanted after so long, and a worker that lives."""
    settings.ENV = settings.ENV | {"RECOVERY_AUTO_RESUME_SECONDS": seconds}
    now = database_now()
    Process.objects.create(role="forward", node="n-1", pid=1, started_at=now, last_seen_at=now)


def degraded_long_ago() -> None:
    modes.set_mode("degraded", "a loop", "recovery")
    Mode.objects.update(since=database_now() - timedelta(minutes=5))


def test_by_itself_it_comes_back_after_a_quiet_time_on_probation_and_a_relapse_goes_straight_back(
    settings: Any,
) -> None:
    quiet(settings)
    came_back(5, seconds_ago=100)
    recovery.evaluate()
    recovery.evaluate()
    assert modes.current().mode == "degraded"  # not long enough
    Mode.objects.update(since=database_now() - timedelta(seconds=61))
    recovery.evaluate()
    row = Mode.objects.get()
    assert (row.mode, row.reason, row.actor) == ("normal", "no crash for 60 s", "recovery")
    assert row.probation_until == row.since + timedelta(seconds=60)

    recovery.evaluate()
    assert modes.current().mode == "normal"
    came_back(1, seconds_ago=0)
    recovery.evaluate()
    assert history()[-1][:2] == ("degraded", "1 restart of n-1 in 1800 s")


def test_it_does_not_come_back_while_forwarding_still_crashes(settings: Any) -> None:
    quiet(settings)
    came_back(5, seconds_ago=100)
    recovery.evaluate()
    Mode.objects.update(since=database_now() - timedelta(seconds=90))
    Crash.objects.create(role="forward", node="n-2", kind="child")
    recovery.evaluate()
    assert modes.current().mode == "degraded"


def test_it_does_not_come_back_while_no_forwarding_worker_lives(settings: Any) -> None:
    quiet(settings)
    degraded_long_ago()
    Process.objects.update(last_seen_at=database_now() - timedelta(seconds=GONE_SECONDS + 1))
    recovery.evaluate()
    assert modes.current().mode == "degraded"
    Process.objects.update(last_seen_at=database_now(), role="alerts")
    recovery.evaluate()
    assert modes.current().mode == "degraded"
    Process.objects.update(role="forward")
    recovery.evaluate()
    assert modes.current().mode == "normal"


def test_it_does_not_come_back_while_an_orchestrator_lets_a_crashed_worker_wait(settings: Any) -> None:
    quiet(settings)
    degraded_long_ago()
    now = database_now()
    Life.objects.create(role="forward", node="n-2", pid=2, end="crashed", ended_at=now - timedelta(minutes=4))
    recovery.evaluate()
    assert modes.current().mode == "degraded"
    Life.objects.update(ended_at=now - timedelta(minutes=31))  # nobody brings that one back
    recovery.evaluate()
    assert modes.current().mode == "normal"


def test_what_an_operator_switched_stays(settings: Any) -> None:
    quiet(settings)
    modes.set_mode("degraded", "looking", "ada")
    Mode.objects.update(since=database_now() - timedelta(days=1))
    recovery.evaluate()
    assert modes.current().mode == "degraded"


def test_what_recovery_switched_stays_once_an_operator_said_so_too(settings: Any) -> None:
    quiet(settings)
    degraded_long_ago()
    modes.set_mode("degraded", "keep it stopped", "ada")
    Mode.objects.update(since=database_now() - timedelta(days=1))
    recovery.evaluate()
    assert (modes.current().mode, modes.current().actor) == ("degraded", "ada")


def test_without_the_setting_it_stays_degraded() -> None:
    came_back(5, seconds_ago=100)
    recovery.evaluate()
    Mode.objects.update(since=database_now() - timedelta(days=1))
    recovery.evaluate()
    assert modes.current().mode == "degraded"


def test_of_two_who_end_a_quiet_time_one_does_it(settings: Any) -> None:
    quiet(settings)
    degraded_long_ago()
    together([partial(recovery.evaluate)] * 6)
    assert [to for to, _, _ in history()] == ["degraded", "normal"]
