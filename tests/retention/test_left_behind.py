"""What a test did to the log's partitions, the next one does not find."""

from datetime import date, timedelta

import pytest
from django.core.management import call_command
from psycopg2.errors import QueryCanceled
from psycopg2.extensions import connection as Connection  # noqa: N812

from ingest import partitions
from tests.retention.log import long_reader


def test_the_log_has_its_usual_partitions_again(raw: Connection, today: date) -> None:
    """After days that were added, frozen, taken off, half taken off, and a day that is missing."""
    before = partitions.tables(raw)
    assert [(table.day - today).days for table in before] == [-1, 0, 1, 2]
    with raw.cursor() as cursor:
        cursor.execute(
            "SELECT ingest_event_partition((now() AT TIME ZONE 'UTC')::date - n) FROM generate_series(2, 5) n"
        )
        partitions.freeze_one(raw)
        off, half, *_ = partitions.tables(raw)
        cursor.execute(f"ALTER TABLE ingest_event DETACH PARTITION {off.name}")
        cursor.execute("SET statement_timeout = '200ms'")
        with long_reader(), pytest.raises(QueryCanceled):
            cursor.execute(f"ALTER TABLE ingest_event DETACH PARTITION {half.name} CONCURRENTLY")
        cursor.execute(f"COMMENT ON TABLE {before[0].name} IS '{partitions.FROZEN}'")
        cursor.execute(f"DROP TABLE {before[-1].name}")
    assert [table.is_pending for table in partitions.tables(raw)].count(True) == 1

    call_command("flush", "--no-input")

    assert [(table.name, table.note, table.is_attached) for table in partitions.tables(raw)] == [
        (table.name, "", True) for table in before
    ]
    assert before[0].day == today - timedelta(days=1)
