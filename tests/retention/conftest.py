"""Events written straight into the log, also of days gone by, and connections to read them."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta

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
def usual_partitions(raw: Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A short retention; before and afterwards the log has the partitions that it always has."""
    monkeypatch.setitem(settings.ENV, "RETENTION_DAYS", KEPT_DAYS)
    monkeypatch.setitem(settings.ENV, "RETENTION_WARNING_DAYS", 2)
    _make_usual(raw)
    yield
    _make_usual(raw)


def _make_usual(raw: Connection) -> None:
    now = partitions.today(raw)
    with raw.cursor() as cursor:
        for table in partitions.tables(raw):
            if table.is_pending:
                cursor.execute(f"ALTER TABLE ingest_event DETACH PARTITION {table.name} FINALIZE")
            if table.day < now - timedelta(days=1) or not table.is_attached:
                cursor.execute(f"DROP TABLE {table.name}")
            elif table.note:
                cursor.execute(f"COMMENT ON TABLE {table.name} IS NULL")
    partitions.create_ahead(raw)


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
