"""beat sends on when the clock is put back, and no more often than it should."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rudderproj.beat_clock import Scheduler
from rudderproj.celery import app

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OFTEN, SELDOM = "sweep", "sample"  # each second, each ten


class Noting(Scheduler):
    """Notes what it sends, and has no broker."""

    producer = None  # type: ignore[assignment]

    def __init__(self, folder: Path) -> None:
        self.sent: list[str] = []
        super().__init__(app=app, schedule_filename=str(folder / "schedule"))

    def apply_async(self, entry: Any, *_: object, **__: object) -> None:
        self.sent.append(entry.name)


class Clock:
    """What time it is to the scheduler."""

    at = NOON

    def passes(self, scheduler: Noting, seconds: int) -> tuple[int, int]:
        """How often is sent in the next so many seconds what is sent often, and what is sent seldom."""
        scheduler.sent.clear()
        for _ in range(seconds):
            self.at += timedelta(seconds=1)
            for _ in app.conf.beat_schedule:
                scheduler.tick()
        sent = Counter(scheduler.sent)
        return sent[OFTEN], sent[SELDOM]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(app, "now", lambda: found.at)
    return found


def test_a_clock_that_is_put_back_keeps_nothing_from_being_sent(clock: Clock, tmp_path: Path) -> None:
    beat = Noting(tmp_path)
    clock.passes(beat, 20)

    for jump in (HOUR, -HOUR, -HOUR, HOUR):
        clock.at += jump
        clock.passes(beat, 11)

        assert clock.passes(beat, 20) == (20, 2)


def test_nor_does_one_that_was_put_back_while_beat_was_away(clock: Clock, tmp_path: Path) -> None:
    first = Noting(tmp_path)
    clock.passes(first, 20)
    first.close()
    clock.at -= HOUR

    second = Noting(tmp_path)
    clock.passes(second, 11)

    assert clock.passes(second, 20) == (20, 2)


def test_it_is_the_one_that_beat_uses() -> None:
    assert app.conf.beat_scheduler == f"{Scheduler.__module__}:{Scheduler.__name__}"


def test_it_looks_a_few_times_a_second_and_not_all_the_time_before_something_is_due(
    clock: Clock, tmp_path: Path
) -> None:
    beat = Noting(tmp_path)
    clock.passes(beat, 20)

    looks, ends = 0, clock.at + timedelta(seconds=10)
    beat.sent.clear()
    while clock.at < ends:
        clock.at += timedelta(seconds=max(beat.tick(), 0.0001))
        looks += 1

    assert Counter(beat.sent)[OFTEN] in (9, 10)
    assert looks < 60
