"""Stored failing examples of the machine of links: short steps that once showed a fault, always followed."""

from collections.abc import Iterator

import pytest

from tests import machines
from tests.forwarding.test_forward_machine import BUSY, ForwardMachine


@pytest.fixture
def state(committed: None) -> Iterator[ForwardMachine]:
    with machines.followed(ForwardMachine) as state:
        yield state


def test_nothing_is_sent_while_the_destination_is_paused(state: ForwardMachine) -> None:
    """A link looked only at whether the destination was held."""
    state.begin()
    state.accepts(user="a", scripts=[[]])
    state.operator_acts(pause=True)
    state.links()
    state.teardown()


def test_an_event_that_failed_is_kept(state: ForwardMachine) -> None:
    """The cursor went over it, and nothing was kept of it."""
    state.begin()
    state.accepts(user="a", scripts=[[503, 200]])
    state.links()
    state.teardown()


def test_the_events_behind_one_that_failed_wait_for_it(state: ForwardMachine) -> None:
    """What was queued behind it was sent."""
    state.begin()
    state.accepts(user="a", scripts=[[503, 200], []])
    state.links()
    state.teardown()


def test_an_event_that_comes_while_its_user_is_held_waits(state: ForwardMachine) -> None:
    """Held users were forgotten as the log was read."""
    state.begin()
    state.accepts(user="a", scripts=[[BUSY, 200]])
    state.links()
    state.accepts(user="a", scripts=[[]])
    state.links()
    state.teardown()


def test_a_probe_sends_nothing_of_a_held_user(state: ForwardMachine) -> None:
    """It took the first event in the log for the head of its user, who had rows."""
    state.begin()
    state.accepts(user="a", scripts=[[]])
    state.destination_goes_away()
    state.links()
    state.accepts(user="a", scripts=[[]])
    state.destination_is_well_again()
    state.waits_are_over()
    state.links()
    state.teardown()


def test_a_probe_that_fails_leaves_its_events_where_they_are(state: ForwardMachine) -> None:
    """It settled them."""
    state.begin()
    for user in "a", "b", "c":
        state.accepts(user=user, scripts=[[]])
    state.destination_fails(status=503)
    state.links()
    state.waits_are_over()
    state.links()
    state.teardown()


def test_a_breaker_closes_when_a_probe_succeeds(state: ForwardMachine) -> None:
    """It stayed as it was."""
    state.begin()
    state.accepts(user="a", scripts=[[]])
    state.destination_goes_away()
    state.links()
    state.teardown()


def test_a_replay_sends_every_dead_letter(state: ForwardMachine) -> None:
    """It left out the first."""
    state.begin()
    state.accepts(user="a", scripts=[[400, 200]])
    state.links()
    state.dead_letters_are_replayed()
    state.teardown()


def test_a_dead_letter_that_a_replay_delivered_is_none_any_more(state: ForwardMachine) -> None:
    """It stayed one, and the next replay sent it again."""
    state.begin()
    state.accepts(user="a", scripts=[[400, 200]])
    state.links()
    state.dead_letters_are_replayed()
    state.links()
    state.teardown()
