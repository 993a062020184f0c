"""Several events in one request, as the courier sends them: their order, and what a refused batch means."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from destinations import courier_of_batches
from destinations.courier import FAIR_EVENTS
from destinations.courier_of_batches import CourierOfBatches
from destinations.outcome import BatchFate
from destinations.reader import Owed
from tests.forwarding.test_courier import owed, run, until

MOST = 20


class Receiver:
    """Takes every batch and every event, but for those that it is told to refuse."""

    def __init__(self, refused: frozenset[str] = frozenset(), most: int = MOST, senders: int = 1) -> None:
        self._refused = refused
        self.too_much: list[bool] = []  # whether the next batches are
        self.batches: list[list[str]] = []
        self.taken: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.courier = CourierOfBatches(self._one, asyncio.Event(), self._together, lambda: most)
        self.courier.allow(senders, senders)

    async def _one(self, event: Owed) -> bool:
        await asyncio.sleep(0)
        if event.message_id in self._refused:
            return False
        self.taken.append(event.message_id)
        return True

    async def _together(self, events: Sequence[Owed]) -> BatchFate:
        ids = [event.message_id for event in events]
        self.batches.append(ids)
        await asyncio.sleep(0)
        await self.answers.wait()
        if self.too_much and self.too_much.pop(0):
            return BatchFate.TOO_MUCH
        if not self._refused.isdisjoint(ids):
            return BatchFate.REFUSED
        self.taken += ids
        return BatchFate.TAKEN


def test_what_is_ready_goes_together_each_user_s_in_order() -> None:
    async def work() -> None:
        receiver = Receiver()
        for user in "abc":
            for number in range(3):
                receiver.courier.add(owed(user, number))
        await until(lambda: len(receiver.taken) == 9)
        await receiver.courier.cancel()
        assert receiver.batches == [["a0", "a1", "a2", "b0", "b1", "b2", "c0", "c1", "c2"]]
        assert (receiver.courier.queued, receiver.courier.busy_users, receiver.courier.sizes.total()) == (0, 0, 0)

    run(work)


def test_a_user_who_has_many_leaves_room_to_others_and_alone_has_all_of_it() -> None:
    async def work() -> None:
        receiver = Receiver()
        for number in range(50):
            receiver.courier.add(owed("a", number))
        receiver.courier.add(owed("b", 0))
        await until(lambda: len(receiver.taken) == 51)
        await receiver.courier.cancel()
        assert [len(batch) for batch in receiver.batches] == [FAIR_EVENTS + 1, MOST, MOST]
        assert receiver.batches[0][-1] == "b0"

    run(work)


def test_one_event_alone_goes_as_it_would_without_batches() -> None:
    async def work() -> None:
        receiver = Receiver()
        receiver.courier.add(owed("a", 0))
        await until(lambda: receiver.taken)
        await receiver.courier.cancel()
        assert (receiver.taken, receiver.batches) == (["a0"], [])

    run(work)


def test_of_a_refused_batch_each_event_goes_by_itself_and_a_failed_one_keeps_its_user_back() -> None:
    async def work() -> None:
        receiver = Receiver(frozenset({"b1"}))
        for user in "abc":
            for number in range(3):
                receiver.courier.add(owed(user, number))
        await until(lambda: len(receiver.taken) == 7)
        await until(lambda: not receiver.courier.flying)
        assert receiver.taken == ["a0", "b0", "c0", "a1", "c1", "a2", "c2"]
        assert len(receiver.batches) == 1
        assert [event.message_id for event in receiver.courier.take_queue((1, "b"))] == ["b2"]
        await receiver.courier.cancel()
        assert (receiver.courier.queued, receiver.courier.busy_users) == (0, 0)

    run(work)


def test_of_a_batch_that_is_too_much_only_the_first_goes_alone_and_twice_as_many_each_time_again() -> None:
    async def work() -> None:
        receiver = Receiver()
        receiver.too_much = [True, True, True, False, True]
        for number in range(15):
            receiver.courier.add(owed("a", number))
        await until(lambda: len(receiver.taken) == 15)
        for number in range(15, 18):
            receiver.courier.add(owed("a", number))
        await until(lambda: len(receiver.taken) == 18)
        await receiver.courier.cancel()
        assert [len(batch) for batch in receiver.batches] == [15, 14, 12, 8, 3, 2], "after 1, 2 and 4; then 1 again"
        assert receiver.taken == [f"a{number}" for number in range(18)]
        assert (receiver.courier._pressed, receiver.courier._alone) == ({}, {})

    run(work)


@settings(max_examples=60, deadline=None)
@given(
    too_much=st.lists(st.booleans(), max_size=12),
    refused=st.sets(st.tuples(st.sampled_from("abc"), st.integers(0, 9))),
    senders=st.integers(1, 3),
)
def test_whatever_is_too_much_comes_once_and_in_order_up_to_what_is_refused(
    too_much: list[bool], refused: set[tuple[str, int]], senders: int
) -> None:
    ends = {user: min([number for who, number in refused if who == user], default=10) for user in "abc"}

    async def work() -> None:
        receiver = Receiver(frozenset(f"{user}{number}" for user, number in refused), 8, senders)
        receiver.too_much = too_much
        for number in range(10):
            for user in "abc":
                receiver.courier.add(owed(user, number))
        await until(lambda: len(receiver.taken) == sum(ends.values()))
        await until(lambda: not receiver.courier.flying)
        for user, end in ends.items():
            assert [m for m in receiver.taken if m[0] == user] == [f"{user}{n}" for n in range(end)]
            receiver.courier.take_queue((1, user))
        assert receiver.courier.failure is None
        assert (receiver.courier._pressed, receiver.courier._alone) == ({}, {})
        await receiver.courier.cancel()

    run(work)


def test_after_a_refusal_that_was_the_event_s_own_the_rest_of_its_batch_goes_alone() -> None:
    async def work() -> None:
        receiver = Receiver(frozenset({"a0"}))
        for name, number in (("a", 0), ("a", 1), ("b", 0)):
            receiver.courier.add(owed(name, number))
        await until(lambda: receiver.taken == ["b0"])
        await until(lambda: not receiver.courier.flying)
        for number in (1, 2):
            receiver.courier.add(owed("b", number))
            receiver.courier.add(owed("a", number + 1))
        receiver.courier.unblock((1, "a"))
        await until(lambda: len(receiver.taken) == 6)
        await receiver.courier.cancel()
        assert receiver.batches[0] == ["a0", "a1", "b0"]
        assert "a1" not in [name for batch in receiver.batches[1:] for name in batch]
        assert [name for name in receiver.taken if name[0] == "a"] == ["a1", "a2", "a3"]
        assert not receiver.courier._alone

    run(work)


def test_rows_go_by_themselves_whoever_else_is_always_ready() -> None:
    async def work() -> None:
        receiver = Receiver()
        row = owed("b", 0)
        row.is_row = True
        for number in range(60):
            receiver.courier.add(owed("a", number))
        receiver.courier.add(row)
        receiver.courier.add(owed("b", 1))
        for number in range(60):
            receiver.courier.add(owed("c", number))
        await until(lambda: len(receiver.taken) == 122)
        await receiver.courier.cancel()
        assert "b0" not in [name for batch in receiver.batches for name in batch]
        assert receiver.taken.index("b0") < 60, "it has a sender of its own"

    run(work)


def test_who_went_alone_goes_together_with_others_afterwards() -> None:
    async def work() -> None:
        receiver = Receiver()
        receiver.courier.add(owed("a", 0))
        await until(lambda: receiver.taken == ["a0"])
        for number in (1, 2, 3):
            receiver.courier.add(owed("a", number))
        row = owed("b", 0)
        row.is_row = True
        receiver.courier.add(row)
        for number in (1, 2, 3):
            receiver.courier.add(owed("b", number))
        await until(lambda: len(receiver.taken) == 8)
        await receiver.courier.cancel()
        assert receiver.batches == [["a1", "a2", "a3"], ["b1", "b2", "b3"]]

    run(work)


def test_no_more_go_alone_than_were_refused() -> None:
    async def work() -> None:
        receiver = Receiver(frozenset({"a1"}))
        for number in range(2):
            receiver.courier.add(owed("a", number))
            receiver.courier.add(owed("b", number))
        await until(lambda: len(receiver.taken) == 3)
        await until(lambda: not receiver.courier.flying)
        receiver.courier.take_queue((1, "a"))
        for number in range(2, 5):
            receiver.courier.add(owed("a", number))
            receiver.courier.add(owed("b", number))
        await until(lambda: len(receiver.taken) == 9)
        await receiver.courier.cancel()
        assert receiver.batches == [["a0", "a1", "b0", "b1"], ["a2", "a3", "a4", "b2", "b3", "b4"]]

    run(work)


def test_a_batch_ends_where_it_is_large_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_of_batches, "BATCH_CHARACTERS", 5)  # events are of two

    async def work() -> None:
        receiver = Receiver()
        for number in range(5):
            receiver.courier.add(owed("a", number))
        await until(lambda: len(receiver.taken) == 5)
        await receiver.courier.cancel()
        assert receiver.batches == [["a0", "a1"], ["a2", "a3"]]

    run(work)


def test_once_stopped_a_refused_batch_leaves_its_events_unsent() -> None:
    async def work() -> None:
        receiver = Receiver(frozenset({"a0"}))
        receiver.answers.clear()
        receiver.courier.add(owed("a", 0))
        receiver.courier.add(owed("b", 0))
        await until(lambda: receiver.batches)
        receiver.courier.stop()
        receiver.answers.set()
        await until(lambda: not receiver.courier.flying)
        await asyncio.sleep(0.01)
        assert (receiver.taken, receiver.courier.queued) == ([], 2)
        await receiver.courier.cancel()

    run(work)


@settings(max_examples=60, deadline=None)
@given(
    events=st.lists(st.sampled_from("abcdef"), max_size=80),
    refused=st.sets(st.tuples(st.sampled_from("abcdef"), st.integers(0, 20))),
    senders=st.integers(1, 5),
    most=st.integers(2, 10),
)
def test_whatever_is_refused_every_user_s_events_come_once_and_in_order_up_to_the_refused_one(
    events: list[str], refused: set[tuple[str, int]], senders: int, most: int
) -> None:
    counts = {user: events.count(user) for user in "abcdef"}
    ends = {user: min([n for who, n in refused if who == user and n < counts[user]], default=None) for user in counts}
    expected = {user: counts[user] if ends[user] is None else ends[user] for user in counts}

    async def work() -> None:
        receiver = Receiver(frozenset(f"{user}{number}" for user, number in refused), most, senders)
        numbers = dict.fromkeys(counts, 0)
        for user in events:
            receiver.courier.add(owed(user, numbers[user]))
            numbers[user] += 1
        await until(lambda: len(receiver.taken) == sum(n or 0 for n in expected.values()))
        await until(lambda: not receiver.courier.flying)
        await asyncio.sleep(0.005)
        for user, count in expected.items():
            assert [m for m in receiver.taken if m[0] == user] == [f"{user}{n}" for n in range(count or 0)]
        left = sum(counts[user] - 1 - end for user, end in ends.items() if end is not None)
        assert receiver.courier.queued == left
        assert receiver.courier.failure is None
        await receiver.courier.cancel()

    run(work)
