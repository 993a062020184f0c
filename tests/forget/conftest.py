"""People's events in the log, of today and of days gone by, behind a scripted destination."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.db import connection
from psycopg2.extensions import connection as Connection  # noqa: N812

from ingest.hashing import lane_of
from ingest.models import Source
from ingest.statements import NewEvent, insert_events, insert_statement
from tests.forwarding.conftest import sink, world
from tests.forwarding.world import World
from tests.retention.conftest import short_retention
from tests.retention.log import next_number

__all__ = ["short_retention", "sink", "world"]

Store = Callable[..., str]


@pytest.fixture
def store(raw: Connection, world: World) -> Store:
    """store(days, userId=…, anonymousId=…): an event as of so many days ago; its message id."""

    def into(days: int = 0, source: Source | None = None, **fields: Any) -> str:
        message_id = f"m{next_number()}"
        event = {"type": "track", "event": "Clicked", "messageId": message_id, "properties": {}, **fields}
        user_key = str(fields.get("anonymousId") or fields["userId"])
        to = source or world.source
        with raw.cursor() as cursor:
            cursor.execute("SELECT ingest_event_partition((now() AT TIME ZONE 'UTC')::date - %s)", [days])
            then = "day = least(day, (now() AT TIME ZONE 'UTC')::date - %s)"
            cursor.execute(f"UPDATE ingest_tally SET {then}", [days])
            cursor.execute(f"UPDATE destinations_lane SET {then}", [days])
        new = NewEvent(to.pk, message_id, lane_of(user_key), user_key, orjson.dumps(event).decode())
        insert_events(raw, [new], insert_statement(f"(now() - interval '{days} days')", may_go_back=True))
        return message_id

    return into


def mentions(text: str) -> dict[str, int]:
    """How many rows of each table mention this text anywhere."""
    found: dict[str, int] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT count(*) FROM {table} t WHERE strpos(t::text, %s) > 0", [text])
            (rows,) = cursor.fetchone()
            if rows:
                name = "ingest_event" if table.startswith("ingest_event_") else table
                found[name] = found.get(name, 0) + rows
    return found
