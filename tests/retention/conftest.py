"""Events written straight into the log, also of days gone by, and connections to read them."""

from collections.abc import Callable
from datetime import date

import pytest
from django.conf import settings
from psycopg2.extensions import connection as Connection  # noqa: N812

from ingest import partitions
from ingest.hashing import lane_of
from ingest.models import Source
from ingest.statements import NewEvent, insert_events, insert_statement
from tests.retention.log import next_number
from tests.status.conftest import link, source, write

__all__ = ["link", "source", "write"]

KEPT_DAYS = 5
WriteAgo = Callable[..., None]


@pytest.fixture(autouse=True)
def short_retention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.ENV, "RETENTION_DAYS", KEPT_DAYS)
    monkeypatch.setitem(settings.ENV, "RETENTION_WARNING_DAYS", 2)


@pytest.fixture
def today(raw: Connection) -> date:
    return partitions.today(raw)


@pytest.fixture
def write_ago(raw: Connection) -> WriteAgo:
    """write_ago(source, days, user, …): an event of each user, in one transaction, as so many days ago.

    Tallies and lanes are told that they were not looked at since.
    """

    def into(source: Source, days: int, *users: str) -> None:
        with raw.cursor() as cursor:
            cursor.execute("SELECT ingest_event_partition((now() AT TIME ZONE 'UTC')::date - %s)", [days])
            then = "day = least(day, (now() AT TIME ZONE 'UTC')::date - %s)"
            cursor.execute(f"UPDATE ingest_tally SET {then} WHERE source_id = %s", [days, source.pk])
            mine = "connection_id IN (SELECT id FROM destinations_connection WHERE source_id = %s)"
            cursor.execute(f"UPDATE destinations_lane SET {then} WHERE {mine}", [days, source.pk])
        number = next_number()
        events = [
            NewEvent(source.pk, f"{user}@{days}#{number}.{place}", lane_of(user), user, f'{{"anonymousId":"{user}"}}')
            for place, user in enumerate(users)
        ]
        insert_events(raw, events, insert_statement(f"(now() - interval '{days} days')", may_go_back=True))

    return into


@pytest.fixture
def drop_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.ENV, "RETENTION_POLICY", "drop")
