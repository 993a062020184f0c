"""Stored failing examples of the machine of copies: short steps that once showed a fault, always followed."""

from collections.abc import Iterator

import pytest

from tests import machines
from tests.ingest_log.test_dedup_machine import DAY, DedupMachine, machine

__all__ = ["machine"]


@pytest.fixture
def state(machine: type[DedupMachine]) -> Iterator[DedupMachine]:
    with machines.followed(machine) as state:
        yield state


def test_a_copy_on_the_next_day_is_dropped(state: DedupMachine) -> None:
    """Yesterday's partition was not looked at."""
    state.begin(start=-3600.0)
    state.sends(ids=["a1"])
    state.time_passes(seconds=DAY / 2)
    state.sends(ids=["a1"])
    state.teardown()


def test_a_copy_right_after_midnight_of_an_event_of_before_is_dropped(state: DedupMachine) -> None:
    """Near midnight the table of keys was thought to know all, and yesterday's partition was not looked at."""
    state.begin(start=-3600.0)
    state.sends(ids=["a1"])
    state.midnight_comes_close()
    state.time_passes(seconds=0.5)
    state.sends(ids=["a1"])
    state.teardown()


def test_a_copy_after_midnight_of_one_on_its_way_is_dropped(state: DedupMachine) -> None:
    """Keys were noted apart at no time: neither partition shows what is not committed."""
    state.begin(start=-0.5)
    state.sends_on_both_sides_of_midnight(ids=["a1"], copies=["a1"], is_in_vain=False)
    state.teardown()


def test_the_same_id_of_another_source_is_no_copy(state: DedupMachine) -> None:
    """Yesterday's partition was asked for the id alone."""
    state.begin(start=-3600.0)
    state.sends(ids=["a1"])
    state.time_passes(seconds=DAY / 2)
    state.sends(ids=["b1"])
    state.teardown()


def test_an_event_is_stored_on_the_day_on_which_it_came(state: DedupMachine) -> None:
    """The day began a minute early."""
    state.begin(start=-3600.0)
    state.sends(ids=["a1"])
    state.midnight_comes_close()
    state.sends(ids=["a2"])
    state.teardown()
