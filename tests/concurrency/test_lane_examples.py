"""Stored failing examples of the machine of log and lanes: short steps that once showed a fault."""

from collections.abc import Iterator

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations.oracle.sink import Sink
from tests import machines
from tests.concurrency.test_lane_machine import LaneMachine, machine


@pytest.fixture
def state(raw: Connection, sink: Sink) -> Iterator[LaneMachine]:
    with machines.followed(machine(raw, sink)) as state:
        yield state


def test_a_checkpoint_of_a_claim_that_ran_out_is_refused(state: LaneMachine) -> None:
    """The fence did not look at when a claim ends."""
    state.begin(users=["a", "a"], most=1)
    state.expire(holder=0, recover=False)
    state.checkpoint(holder=0)
    state.teardown()


def test_a_claim_that_ran_out_takes_no_lane(state: LaneMachine) -> None:
    """The fence did not look at when a claim ends."""
    state.begin(users=["a", "a"], most=1)
    state.expire(holder=0, recover=False)
    state.append(users=["b"])
    state.take(holder=0, most=1)
    state.teardown()


def test_a_claim_that_ran_out_is_not_renewed(state: LaneMachine) -> None:
    """A renewal did not look at when a claim ends."""
    state.begin(users=["a", "a"], most=1)
    state.expire(holder=0, recover=False)
    state.teardown()


def test_a_lane_has_one_holder(state: LaneMachine) -> None:
    """Lanes that were taken already were taken again."""
    state.begin(users=["a", "a"], most=1)
    state.open_claim(most=1)
    state.teardown()


def test_the_events_after_one_that_waits_are_read_as_held(state: LaneMachine) -> None:
    """Held users were forgotten as their lanes were read."""
    state.begin(users=["a", "a"], most=1)
    state.work(holder=0, most=1, fates=[(0, "waiting")], then_checkpoint=True)
    state.work(holder=0, most=1, fates=[], then_checkpoint=False)
    state.teardown()


def test_a_checkpoint_does_not_pass_what_was_only_read(state: LaneMachine) -> None:
    """It kept the place read to in place of the cursor."""
    state.begin(users=["a", "a"], most=1)
    state.work(holder=0, most=1, fates=[], then_checkpoint=True)
    state.teardown()


def test_a_checkpoint_keeps_what_is_settled_beyond_the_cursor(state: LaneMachine) -> None:
    """It kept the cursor only."""
    state.begin(users=["a", "a", "a"], most=1)
    state.work(holder=0, most=3, fates=[(1, "delivered")], then_checkpoint=True)
    state.teardown()


def test_the_cursor_stays_before_an_open_event_however_much_is_settled_after_it(state: LaneMachine) -> None:
    """With three events read it passed the first, settled or not."""
    state.begin(users=["a", "a", "a"], most=1)
    state.work(holder=0, most=3, fates=[(1, "delivered")], then_checkpoint=True)
    state.expire(holder=0, recover=True)
    state.teardown()


def test_a_lane_is_freed_as_of_its_last_checkpoint(state: LaneMachine) -> None:
    """Freeing the lanes of a claim that ran out dropped its checkpoints."""
    state.begin(users=["a", "a"], most=1)
    state.work(holder=0, most=1, fates=[(0, "delivered")], then_checkpoint=True)
    state.expire(holder=0, recover=True)
    state.teardown()


def test_a_lane_given_back_keeps_the_count_of_what_was_filtered(state: LaneMachine) -> None:
    """All counts but this one were given back."""
    state.begin(users=["a", "a"], most=1)
    state.work(holder=0, most=1, fates=[(0, "filtered")], then_checkpoint=False)
    state.release(holder=0, most=1, and_close=False)
    state.teardown()


def test_events_of_one_request_are_read_in_its_order(state: LaneMachine) -> None:
    """They were read in the order of their ids."""
    state.begin(users=["a", "a"], most=1)
    state.append(users=["a", "a"])
    state.work(holder=0, most=4, fates=[], then_checkpoint=False)
    state.teardown()
