"""Stored failing examples of the machine of modes and restarts: short steps that once showed a fault."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests import machines
from tests.recovery.test_mode_machine import LIMITS, LONG, NODES, QUIET, WINDOW, ModeMachine

WORKER, _, WEB = NODES


@pytest.fixture
def state(committed: None, settings: Any) -> Iterator[ModeMachine]:
    settings.ENV = settings.ENV | LIMITS
    with machines.followed(ModeMachine) as state:
        yield state


def test_as_many_restarts_as_the_threshold_are_too_many(state: ModeMachine) -> None:
    """It took one more."""
    state.begin()
    state.keeps_crashing(node=WORKER)
    state.teardown()


def test_an_explained_crash_does_not_count(state: ModeMachine) -> None:
    """It did."""
    state.begin()
    for _ in range(4):
        state.dies_and_comes_back(node=WORKER)
    state.is_explained(death=0)
    state.dies_and_comes_back(node=WORKER)
    state.teardown()


def test_crashes_of_a_web_process_do_not_stop_forwarding(state: ModeMachine) -> None:
    """They did."""
    state.begin()
    state.keeps_crashing(node=WEB)
    state.teardown()


def test_crashes_before_an_operator_s_word_do_not_count(state: ModeMachine) -> None:
    """They did, so that the next one stopped forwarding again."""
    state.begin()
    state.keeps_crashing(node=WORKER)
    state.operator_says(mode="normal")
    state.dies_and_comes_back(node=WORKER)
    state.teardown()


def test_a_crash_before_the_last_change_does_not_count_when_it_comes_back_after(state: ModeMachine) -> None:
    """It did: when it came back was looked at, and not when it died."""
    state.begin()
    state.keeps_crashing(node=WORKER)
    state.dies(node=WORKER)
    state.is_quiet()
    state.comes_back()
    state.teardown()


def test_on_probation_one_restart_is_too_many(state: ModeMachine) -> None:
    """Probation was forgotten."""
    state.begin()
    state.keeps_crashing(node=WORKER)
    state.is_quiet()
    state.relapses()
    state.teardown()


def test_as_many_restarts_as_the_threshold_are_not_too_many_in_the_long_window(state: ModeMachine) -> None:
    """They were."""
    state.begin()
    for _ in range(4):
        state.dies_and_comes_back(node=WORKER)
    state.time_passes(seconds=QUIET + 5)
    state.dies_and_comes_back(node=WORKER)
    state.teardown()


def test_more_restarts_than_the_threshold_are_too_many_in_the_long_window(state: ModeMachine) -> None:
    """The long window was forgotten."""
    state.begin()
    for _ in range(4):
        state.dies_and_comes_back(node=WORKER)
    state.time_passes(seconds=QUIET + 5)
    state.dies_and_comes_back(node=WORKER)
    state.dies_and_comes_back(node=WORKER)
    state.teardown()


def test_a_quiet_time_does_not_undo_an_operator_s_word(state: ModeMachine) -> None:
    """It did."""
    state.begin()
    state.operator_says(mode="degraded")
    state.time_passes(seconds=QUIET + 5)
    state.teardown()


def test_a_time_in_which_a_worker_came_back_is_not_quiet(state: ModeMachine) -> None:
    """It was: when it died was looked at, and not when it came back."""
    state.begin()
    state.keeps_crashing(node=WORKER)
    state.dies(node=WORKER)
    state.time_passes(seconds=WINDOW - 10)
    state.comes_back()
    state.time_passes(seconds=WINDOW - 10)
    state.teardown()


def test_an_operator_takes_over_what_recovery_said(state: ModeMachine) -> None:
    """The same mode again was taken for no change, and ended after a quiet time."""
    state.begin()
    state.keeps_crashing(node=WORKER)
    state.operator_says(mode="degraded")
    state.time_passes(seconds=LONG)
    state.teardown()
