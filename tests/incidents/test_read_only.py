"""A database that can be read and not written is away, such as a standby after a failover."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from alerts.models import Channel, Incident, Notification
from alerts.notifications import deliver
from alerts.watch.away import Minder
from rudderproj import db
from tests.stubs.providers import PagerDuty


@pytest.fixture
def set_read_only(committed: None) -> Iterator[Callable[[bool], None]]:
    """For every connection that is opened from now on."""

    def set_it(is_on: bool) -> None:
        with closing(db.connect("test", 10)) as raw, raw.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
            name = f'"{raw.info.dbname}"'
            cursor.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {'on' if is_on else 'off'}")

    yield set_it
    set_it(False)


@pytest.mark.parametrize("is_back_first", [True, False])
def test_who_is_started_during_an_outage_tells_nobody_twice_and_its_end(
    is_back_first: bool,
    pager: Channel,
    pagerduty: PagerDuty,
    set_read_only: Callable[[bool], None],
    settings: Any,
    tmp_path: Path,
) -> None:
    settings.ENV = settings.ENV | {"DATA_DIR": str(tmp_path), "ALERT_DATABASE_SECONDS": 30.0}
    former, next_one = Minder(), Minder()
    former.look(1000.0)
    set_read_only(True)
    former.look(1003.0)
    former.look(1033.0)
    assert "pager" not in (tmp_path / "run/alerts-outage").read_text()
    if not is_back_first:
        next_one.look(53.0)  # its machine's clock may have begun anew
    set_read_only(False)
    next_one.look(60.0)
    incident = Incident.objects.get()
    assert incident.resolved_at is not None
    assert 30 <= (incident.resolved_at - incident.opened_at).total_seconds() < 60
    trigger = Notification.objects.get(action="trigger")
    assert (trigger.attempts, trigger.next_attempt_at, trigger.last_error) == (1, None, "")
    deliver.send_due()
    assert [body["event_action"] for body in pagerduty.accepted] == ["trigger", "resolve"]
    Minder().look(70.0)
    assert Incident.objects.count() == 1
    assert list(tmp_path.glob("run/alerts-outage*")) == []


def test_a_database_that_cannot_be_written_is_told_and_its_return_too(
    pager: Channel, pagerduty: PagerDuty, set_read_only: Callable[[bool], None], settings: Any, tmp_path: Path
) -> None:
    settings.ENV = settings.ENV | {"DATA_DIR": str(tmp_path), "ALERT_DATABASE_SECONDS": 30.0}
    minder = Minder()
    minder.look(1000.0)
    set_read_only(True)
    minder.look(1003.0)
    minder.look(1030.0)
    assert pagerduty.calls == []
    minder.look(1033.0)
    assert [body["dedup_key"] for body in pagerduty.accepted] == ["rudderproj:database_away"]
    set_read_only(False)
    minder.look(1036.0)
    assert Incident.objects.get().resolved_at is not None
    assert deliver.send_due() == 1
    assert [body["event_action"] for body in pagerduty.accepted] == ["trigger", "resolve"]
    assert not Notification.objects.filter(sent_at=None).exists()
