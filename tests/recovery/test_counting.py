"""Which restarts count, and when they are too many."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from alerts import recovery
from alerts.models import Crash, Mode
from alerts.recovery.counting import Restarts, loop_of
from tests.recovery.crashes import came_back, database_now

pytestmark = pytest.mark.usefixtures("committed")
WINDOW, LONG = 300, 1800


@pytest.fixture(autouse=True)
def _an_old_mode(committed: None) -> None:
    Mode.objects.update(since=database_now() - timedelta(days=1))


def counted() -> list[tuple[str, int, int]]:
    return [(found.node, found.recent, found.longer) for found in recovery.restarts()]


def looping() -> list[str]:
    return [str(loop) for loop in recovery.loops()]


def test_the_fifth_restart_inside_the_window_is_too_many_and_the_fourth_is_not() -> None:
    came_back(4)
    assert looping() == []
    came_back(1, seconds_ago=1)
    assert looping() == ["5 restarts of n-1 in 300 s"]


def test_a_crash_that_has_not_come_back_does_not_count_yet() -> None:
    came_back(4)
    Crash.objects.create(role="forward", node="n-1", kind="process")
    assert (counted(), looping()) == ([("n-1", 4, 4)], [])


def test_restarts_are_counted_for_each_process_of_its_own() -> None:
    came_back(3)
    came_back(3, node="n-2")
    came_back(5, node="n-1", role="web")
    assert counted() == [("n-1", 3, 3), ("n-2", 3, 3), ("n-1", 5, 5)]
    assert [(loop.role, loop.node) for loop in recovery.loops()] == [("web", "n-1")]


def test_what_spreads_over_the_long_window_needs_one_more() -> None:
    came_back(1, seconds_ago=10)
    came_back(4, seconds_ago=WINDOW + 60)
    assert (counted(), looping()) == ([("n-1", 1, 5)], [])
    came_back(1, seconds_ago=LONG - 60)
    assert looping() == ["6 restarts of n-1 in 1800 s"]
    came_back(9, seconds_ago=LONG + 60)
    assert counted() == [("n-1", 1, 6)]


def test_what_an_event_explains_does_not_count_nor_what_may_yet_be_explained() -> None:
    came_back(3, explained="event m-1")
    came_back(3, seconds_ago=20, suspected_until=database_now() + timedelta(seconds=30))
    assert counted() == []
    Crash.objects.filter(explained="").update(suspected_until=database_now())
    assert counted() == [("n-1", 3, 3)]


def test_what_was_before_an_operator_brought_forwarding_back_does_not_count_again() -> None:
    came_back(5)
    came_back(5, role="web", node="w-1")
    Mode.objects.update(mode="normal", since=database_now() - timedelta(seconds=5))
    assert counted() == [("w-1", 5, 5)]
    came_back(2, seconds_ago=1)
    assert counted() == [("n-1", 2, 2), ("w-1", 5, 5)]


def test_a_crash_from_before_does_not_count_either_when_its_process_comes_back_afterwards() -> None:
    now = database_now()
    Mode.objects.update(mode="normal", since=now - timedelta(seconds=5), probation_until=now + timedelta(seconds=60))
    before, after = now - timedelta(seconds=8), now - timedelta(seconds=2)
    Crash.objects.create(role="forward", node="n-1", kind="process", at=before, restarted_at=after)
    assert (counted(), looping()) == ([], [])
    Mode.objects.update(mode="degraded")
    assert counted() == [("n-1", 1, 1)]


def test_what_is_yet_to_come_by_a_clock_that_was_set_back_does_not_count() -> None:
    came_back(5, seconds_ago=-3600)
    came_back(1)
    assert counted() == [("n-1", 1, 1)]


def test_while_degraded_the_restarts_that_led_there_are_still_told() -> None:
    came_back(5)
    Mode.objects.update(mode="degraded", since=database_now())
    assert looping() == ["5 restarts of n-1 in 300 s"]


def test_on_probation_one_restart_of_forwarding_is_too_many() -> None:
    Mode.objects.update(since=database_now() - timedelta(seconds=30), probation_until=database_now() + timedelta(60))
    came_back(1, role="web")
    assert looping() == []
    came_back(1)
    assert looping() == ["1 restart of n-1 in 1800 s"]


def test_the_threshold_is_a_setting(settings: Any) -> None:
    settings.ENV = settings.ENV | {"RECOVERY_CRASH_THRESHOLD": 2, "RECOVERY_CRASH_WINDOW_SECONDS": 60.0}
    came_back(2)
    assert looping() == ["2 restarts of n-1 in 60 s"]


def test_a_loop_names_the_crashes_that_made_it_oldest_first() -> None:
    came_back(1, seconds_ago=WINDOW + 60)
    came_back(6)
    (loop,) = recovery.loops()
    newest = Crash.objects.filter(restarted_at__gt=database_now() - timedelta(seconds=WINDOW)).order_by("restarted_at")
    assert loop.crashes == [str(pk) for pk in newest.values_list("id", flat=True)]
    assert (loop.restarts, len(loop.crashes)) == (6, 6)


@given(
    recent=st.integers(0, 12), older=st.integers(0, 12), role=st.sampled_from(["forward", "web"]), tried=st.booleans()
)
def test_more_restarts_are_never_fewer_reasons(recent: int, older: int, role: str, tried: bool) -> None:
    if recent + older == 0:
        return

    def loops(recent: int, older: int) -> bool:
        crashes = [str(number) for number in range(recent + older)]
        found = Restarts(role, "n", recent, recent + older, crashes, timezone.now(), tried)
        return loop_of(found) is not None

    assert loops(recent, older) == (recent >= 5 or recent + older >= 6 or (tried and role == "forward"))
    assert loops(recent, older) <= loops(recent + 1, older)
    assert loops(recent, older) <= loops(recent, older + 1)
