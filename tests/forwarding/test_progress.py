"""How far a lane has come: the cursor passes an event only when everything before it is settled."""

from collections.abc import Callable

import pytest

from destinations.progress import Progress

DAY = "2026-11-24"


def progress() -> Progress:
    made = Progress((10, 0), DAY)
    for place in [(11, 0), (11, 1), (12, 0)]:
        assert made.read(place, DAY)
    return made


def test_the_cursor_waits_for_the_oldest_open_event() -> None:
    lane = progress()
    lane.deliver((11, 1))
    lane.deliver((12, 0))
    assert (lane.cursor, lane.beyond, lane.span) == ((10, 0), {(11, 1), (12, 0)}, 3)

    lane.abort((11, 0))
    assert (lane.cursor, lane.beyond, lane.span) == ((12, 0), set(), 0)
    assert (lane.delivered, lane.aborted) == (2, 1)


def test_what_was_settled_beyond_the_cursor_is_not_open_again_after_a_restart() -> None:
    lane = progress()
    lane.deliver((12, 0))
    stored = lane.as_json()
    again = Progress.stored(tuple(stored["c"][:2]), stored["c"][2], stored["b"], (1, 0, 0), stored["f"])

    assert [again.read(place, DAY) for place in [(11, 0), (11, 1), (12, 0)]] == [True, True, False]
    again.deliver((11, 0))
    again.filter((11, 1), "disabled")
    assert (again.cursor, again.beyond, again.delivered, again.filtered) == ((12, 0), set(), 2, {"disabled": 1})


def test_reading_goes_on_after_the_last_place_read() -> None:
    lane = Progress((10, 0), DAY)
    assert lane.read_to == (10, 0)
    lane.read((11, 5), DAY)
    assert lane.read_to == (11, 5)
    lane.settle((11, 5))
    assert lane.read_to == (11, 5)


def test_the_day_is_that_of_the_event_at_the_cursor() -> None:
    lane = Progress((10, 0), DAY)
    lane.read((11, 0), "2026-11-25")
    lane.settle((11, 0))
    assert lane.as_json()["c"] == [11, 0, "2026-11-25"]


@pytest.mark.parametrize("place", [(11, 0), (10, 0), (9, 5)])
def test_reading_backwards_is_refused(place: tuple[int, int]) -> None:
    lane = Progress((10, 0), DAY)
    lane.read((11, 0), DAY)
    with pytest.raises(ValueError, match="read after"):
        lane.read(place, DAY)


def test_settling_twice_or_what_was_not_read_is_refused() -> None:
    lane = progress()
    lane.settle((11, 1))
    for place in [(11, 1), (13, 0), (10, 0)]:
        with pytest.raises(ValueError, match="not open"):
            lane.settle(place)


@pytest.mark.parametrize(
    "change",
    [
        lambda lane: lane.deliver((12, 0)),
        lambda lane: lane.deliver(None),
        lambda lane: lane.abort((12, 0)),
        lambda lane: lane.abort(None),
        lambda lane: lane.skip((12, 0)),
        lambda lane: lane.skip(None),
        lambda lane: lane.filter((12, 0), "disabled"),
        lambda lane: lane.settle((12, 0)),
    ],
)
def test_a_lane_counts_as_untouched_until_something_was_done_with_it(change: Callable[[Progress], None]) -> None:
    lane = progress()
    before = lane.as_json()
    assert not lane.is_touched

    change(lane)

    assert lane.is_touched
    assert lane.as_json() != before


def test_a_cursor_that_only_passes_what_was_settled_before_is_touched() -> None:
    lane = Progress.stored((10, 0), DAY, [[11, 0]], (1, 0, 0), {})
    assert not lane.read((11, 0), DAY)
    assert (lane.is_touched, lane.cursor) == (True, (11, 0))
