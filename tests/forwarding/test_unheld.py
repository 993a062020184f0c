"""Which lanes a link asks for that it does not hold: those that were named, and all of them now and then."""

import dataclasses

from destinations.due import NAMED_SECONDS
from destinations.lanes import ClaimedLane
from destinations.progress import Progress
from destinations.unheld import Unheld

EVERY = 10.0
MINE = ClaimedLane(100, 1, 7, 3, Progress((0, 0), "2026-01-01"))


def test_all_lanes_are_asked_for_at_first_and_now_and_then() -> None:
    unheld = Unheld()
    assert [unheld.choose([], now, EVERY) for now in (0.0, 0.1, EVERY - 0.1, EVERY)] == [None, [], [], None]


def test_who_is_not_told_asks_for_all_lanes_each_time() -> None:
    unheld = Unheld()
    assert [unheld.choose([], 1.0, 0.0) for _ in range(3)] == [None, None, None]


def test_a_lane_that_news_named_is_asked_for_a_while_as_what_was_stored_is_not_seen_at_once() -> None:
    unheld = Unheld()
    unheld.choose([], 0.0, EVERY)
    unheld.hear({7: [3, 5], 8: [9]}, 1.0)
    assert unheld.choose([], 1.0, EVERY) == [(7, 3), (7, 5), (8, 9)]
    unheld.hear({7: [5]}, 2.0)
    assert unheld.choose([], 1.0 + NAMED_SECONDS - 0.01, EVERY) == [(7, 3), (7, 5), (8, 9)]
    assert unheld.choose([], 1.0 + NAMED_SECONDS, EVERY) == [(7, 5)]
    assert unheld.choose([], 2.0 + NAMED_SECONDS, EVERY) == []


def test_a_lane_that_is_held_is_not_asked_for() -> None:
    unheld = Unheld()
    unheld.choose([], 0.0, EVERY)
    unheld.hear({7: [3], 8: [3]}, 1.0)
    of_a_replay = dataclasses.replace(MINE, source_id=8, replay=1)
    assert unheld.choose([MINE, of_a_replay], 1.0, EVERY) == [(8, 3)]


def test_what_is_heard_that_names_none_may_be_in_any() -> None:
    unheld = Unheld()
    unheld.choose([], 0.0, EVERY)
    unheld.look_at_all()
    assert unheld.choose([], 0.1, EVERY) is None
