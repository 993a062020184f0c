"""How long a link waits for more: long, looking seldom, if the broker tells it of news; the other way round if not."""

import asyncio
from collections.abc import Callable

import pytest

from destinations import outlook
from destinations.outlook import Outlook

MOST_LINKS = 16


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock: one number, which the test sets."""
    moment = [100.0]
    monkeypatch.setattr(outlook, "clock", lambda: moment[0])
    return moment


def an_outlook(links: int = 1, is_told: bool = False) -> Outlook:
    return Outlook(lambda: links, MOST_LINKS, lambda: is_told)


@pytest.mark.parametrize(("links", "is_told", "seconds"), [(1, False, 0.25), (1, True, 1.0), (16, True, 0.0)])
def test_a_link_stays_longer_if_it_is_told_and_not_at_all_while_others_wait(
    now: list[float], links: int, is_told: bool, seconds: float
) -> None:
    one = an_outlook(links, is_told)
    assert not one.is_enough(has_work=True)
    if seconds:
        assert not one.is_enough(has_work=False)
        now[0] += seconds - 0.01
        assert not one.is_enough(has_work=False)
        now[0] += 0.01
    assert one.is_enough(has_work=False)


def test_time_without_work_begins_anew_with_each_event(now: list[float]) -> None:
    one = an_outlook()
    for _ in range(5):
        assert not one.is_enough(has_work=True)
        assert not one.is_enough(has_work=False)
        now[0] += 0.2


def test_a_ring_that_was_in_vain_is_over_at_the_first_look(now: list[float]) -> None:
    assert an_outlook(is_told=True).is_enough(has_work=False)


@pytest.mark.parametrize(
    ("sending", "nobody_waits", "stays"), [(0, True, True), (8, True, True), (9, True, False), (0, False, False)]
)
def test_a_link_whose_time_is_up_stays_for_a_trickle_while_nobody_waits(
    sending: int, nobody_waits: bool, stays: bool
) -> None:
    for chance, seconds in ((0.0, 240), (0.5, 180), (1.0, 120)):
        one = Outlook(nobody_waits=lambda: nobody_waits, chance=lambda chance=chance: chance)  # type: ignore[misc]
        assert one.overtime(sending) == (seconds if stays else 0)


def pauses(
    one: Outlook,
    now: list[float],
    monkeypatch: pytest.MonkeyPatch,
    sending: int = 0,
    within_seconds: float | None = None,
) -> list[float]:
    """The first twelve of a link that finds nothing, in milliseconds."""
    made: list[float] = []

    async def pause(seconds: float) -> None:
        made.append(round(seconds * 1000))
        now[0] += seconds

    monkeypatch.setattr(one, "pause", pause)

    async def look() -> None:
        for _ in range(12):
            await one.look_out(sending, within_seconds)

    asyncio.run(look())
    return made


def test_a_link_that_is_told_looks_often_until_it_finds_what_it_was_told_of(
    now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, crowded = an_outlook(1, is_told=True), an_outlook(16, is_told=True)

    alone.wake()
    assert pauses(alone, now, monkeypatch) == [10, 20, 40, 80, 160, 320, 640, *[1000] * 5]
    crowded.wake()
    assert pauses(crowded, now, monkeypatch) == [10, 20, 40, 80, 160, 320, 640, *[1000] * 5]
    alone.wake()
    alone.note_found()
    assert pauses(alone, now, monkeypatch) == [1000] * 12


def test_something_else_that_is_due_is_not_forgotten(now: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    one = an_outlook(is_told=True)
    one.note_found()
    assert pauses(one, now, monkeypatch, sending=8, within_seconds=0.05) == [50] * 12


@pytest.mark.parametrize(("sending", "is_told"), [(0, False), (9, True)])
def test_a_link_that_is_not_told_or_sends_to_many_looks_ever_more_seldom_by_itself(
    now: list[float], monkeypatch: pytest.MonkeyPatch, sending: int, is_told: bool
) -> None:
    one = an_outlook(is_told=is_told)
    one.note_answer()
    made = pauses(one, now, monkeypatch, sending, within_seconds=0.05)

    assert (made[:3], made[-1]) == ([10, 12, 13], 47)


def test_news_that_came_before_the_pause_end_it_at_once() -> None:
    async def scenario() -> None:
        one = an_outlook(is_told=True)
        one.wake()
        await asyncio.wait_for(one.pause(600), 60)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one.pause(600), 0.05)

    asyncio.run(scenario())


def test_where_something_was_found_news_end_no_pause_and_a_checkpoint_that_is_due_does() -> None:
    async def gathered() -> list[bool]:
        one = an_outlook(is_told=True)
        pause = asyncio.create_task(one.gather())
        ended = []
        steps: list[Callable[[], None]] = [lambda: None, one.wake, one.cut_short]
        for tell in steps:
            tell()
            for _ in range(9):
                await asyncio.sleep(0)
            ended.append(pause.done())
        pause.cancel()
        return ended

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(outlook, "POLL_SECONDS", 60.0)
        assert asyncio.run(gathered()) == [False, False, True]


def test_a_link_that_was_rung_looks_often_until_it_finds_what_it_was_rung_for(
    now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = an_outlook(is_told=True)
    assert pauses(one, now, monkeypatch)[:4] == [10, 20, 40, 80]
    one.note_found()
    assert pauses(one, now, monkeypatch) == [1000] * 12
