"""Reports are kept by number and age, and never deleted while they count."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from psycopg2.extensions import connection as Connection  # noqa: N812

from alerts.models import Crash
from alerts.recovery import keeping
from rudderproj import db, upkeep
from tests.crashes.conftest import Crashed
from tests.crashes.test_reading import cause

HOUR, DAY = 3600, 86400


@pytest.fixture
def raw(committed: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.setitem(settings.ENV, "CRASH_REPORTS_KEPT", 2)
    with closing(db.connect("tests", 30)) as connection:
        yield connection


def left(*crashes: Crash) -> list[bool]:
    return [Crash.objects.filter(pk=crash.pk).exists() for crash in crashes]


def test_the_newest_stay_and_the_rest_go(raw: Connection, crashed: Crashed) -> None:
    crashes = [crashed(ago=number * HOUR) for number in (1, 2, 3, 4)]
    assert keeping.look(raw) == ["2 to be deleted"]
    assert keeping.prune(raw) == 2
    assert left(*crashes) == [True, True, False, False]
    assert keeping.look(raw) == []


def test_what_still_counts_stays_whatever_its_number(raw: Connection, crashed: Crashed) -> None:
    window = settings.ENV["RECOVERY_CRASH_LONG_WINDOW_SECONDS"]
    counting = [crashed(ago=number) for number in (1, 2, 3, window - 60)]
    came_back_late = crashed(ago=DAY, restarted_at=timezone.now() - timedelta(seconds=60))
    examined = crashed(ago=DAY, suspected_until=timezone.now() + timedelta(seconds=60))
    over = crashed(ago=window + 60)
    assert keeping.prune(raw) == 1
    assert left(*counting, came_back_late, examined, over) == [True] * 6 + [False]


def test_what_changed_the_mode_stays_for_its_time_whatever_came_after(raw: Connection, crashed: Crashed) -> None:
    first, later = crashed(ago=4 * HOUR), [crashed(ago=number * HOUR) for number in (3, 2, 1)]
    cause(first)
    assert keeping.prune(raw) == 1
    assert left(first, *later) == [True, False, True, True]
    Crash.objects.filter(pk=first.pk).update(
        at=timezone.now() - timedelta(days=91), restarted_at=timezone.now() - timedelta(days=91)
    )
    assert keeping.prune(raw) == 1
    assert left(first) == [False]


def test_upkeep_does_it(raw: Connection, crashed: Crashed) -> None:
    crashed(ago=91 * DAY)
    done = upkeep.run(due_only=False)
    assert done is not None
    assert done["crash_reports_pruned"] == 1
