"""Which lanes a link reads: those with a reason, and all of them now and then."""

from destinations.due import FOUND_SECONDS, NAMED_SECONDS, READ_EVENTS, Due
from destinations.lanes import ClaimedLane
from destinations.progress import Progress
from destinations.reader import Ask, Owed

EVERY = 10.0
LANES = [ClaimedLane(100 + number, 1, 7, number, Progress((0, 0), "2026-01-01")) for number in range(64)]


def chosen(due: Due, now: float, every: float = EVERY) -> list[int]:
    return [ask.lane.number for ask in due.choose(LANES, lambda _: True, now, every)]


def read(due: Due, now: float, *with_events: int, size: int = 10) -> list[int]:
    """Read what is due: the numbers of the lanes that were."""
    asked = due.choose(LANES, lambda _: True, now, EVERY)
    due.note(asked, [owed(LANES[number], size) for number in with_events], 4000, now)
    return [ask.lane.number for ask in asked]


def owed(lane: ClaimedLane, size: int) -> Owed:
    return Owed(lane, (5, 0), "2026-01-01", "m", "u", "x" * size)


ALL = list(range(64))


def test_all_lanes_are_looked_into_at_first_and_now_and_then() -> None:
    due = Due()
    assert read(due, 0.0) == ALL
    assert read(due, 0.1) == []
    assert read(due, EVERY - 0.1) == []
    assert read(due, EVERY) == ALL


def test_who_is_not_told_looks_into_all_lanes_each_time() -> None:
    due = Due()
    for _ in range(3):
        asked = due.choose(LANES, lambda _: True, 1.0, 0.0)
        assert len(asked) == 64
        due.note(asked, [], 4000, 1.0)


def test_a_lane_that_news_names_is_due_until_something_was_found_and_a_while_after() -> None:
    due = Due()
    read(due, 0.0)
    due.hear({7: [3, 5], 8: [9]}, LANES, 1.0)
    assert read(due, 1.0) == [3, 5]
    assert read(due, 1.1, 3) == [3, 5]
    assert read(due, 1.1 + FOUND_SECONDS - 0.01) == [3, 5]
    assert read(due, 1.1 + FOUND_SECONDS) == [3, 5]
    assert read(due, 1.1 + FOUND_SECONDS) == [5]
    assert read(due, 1.0 + NAMED_SECONDS) == [5]
    assert read(due, 1.0 + NAMED_SECONDS) == []


def test_what_is_named_while_a_read_is_under_way_is_read_again() -> None:
    due = Due()
    asked = due.choose(LANES, lambda _: True, 0.0, EVERY)
    due.hear({7: [3]}, LANES, 0.05)
    due.note(asked, [], 4000, 0.1)
    assert read(due, 0.2) == [3]


def test_a_lane_that_may_not_be_read_yet_stays_due() -> None:
    due = Due()
    asked = due.choose(LANES, lambda lane: lane.number != 4, 0.0, EVERY)
    due.note(asked, [], 4000, 0.0)
    assert read(due, 0.1) == [4]


def test_a_read_that_was_cut_short_leaves_all_its_lanes_due() -> None:
    due = Due()
    assert read(due, 0.0, 1, size=1001) == ALL
    assert read(due, 0.1, 1, size=1000) == ALL
    assert read(due, 0.2) == [1]


def test_new_lanes_are_looked_into_at_once() -> None:
    due = Due()
    read(due, 0.0)
    due.look_at_all()
    assert chosen(due, 0.1) == ALL


def test_lanes_of_a_replay_are_not_named_by_news() -> None:
    due = Due()
    lanes = [ClaimedLane(1, 1, 7, 0, Progress((0, 0), "2026-01-01"), replay=9)]
    due.note(due.choose(lanes, lambda _: True, 0.0, EVERY), [], 4000, 0.0)
    due.hear({7: [0]}, lanes, 1.0)
    assert due.choose(lanes, lambda _: True, 1.0, EVERY) == []


def test_few_lanes_are_read_further_than_many() -> None:
    due = Due()
    assert {ask.most for ask in due.choose(LANES, lambda _: True, 0.0, EVERY)} == {READ_EVENTS // 64}
    due.note([Ask.more(lane, 1) for lane in LANES], [], 4000, 0.0)
    due.hear({7: [1]}, LANES, 1.0)
    assert [ask.most for ask in due.choose(LANES, lambda _: True, 1.0, EVERY)] == [500]


def test_there_is_more_where_a_lane_gave_all_that_it_was_asked_for() -> None:
    due = Due()
    (most,) = {ask.most for ask in due.choose(LANES, lambda _: True, 0.0, EVERY)}
    read(due, EVERY, *[1] * (most - 1), *[2] * (most - 1))
    assert not due.has_more
    read(due, 2 * EVERY, *[1] * most)
    assert due.has_more
    read(due, 3 * EVERY)
    assert not due.has_more
    read(due, 4 * EVERY, 1, size=1001)
    assert due.has_more
