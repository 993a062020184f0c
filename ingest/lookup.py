"""Finding events for people: by message id or place. Every query goes by an index."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction

from rudderproj.db import SET_LOCAL_FROM_INDEXES

COLUMNS = "s.name, e.day, e.source_id, e.message_id, e.lane, e.user_key, e.xid, e.position, e.received_at, e.payload"

# A partition is a day, named by it: with the day known, its primary key finds the event.
_BY_MESSAGE_ID = f"""
SELECT {COLUMNS} FROM ingest_source s
CROSS JOIN (SELECT to_date(right(inhrelid::regclass::text, 8), 'YYYYMMDD') AS day FROM pg_inherits
            WHERE inhparent = 'ingest_event'::regclass) partition
CROSS JOIN LATERAL (
    SELECT * FROM ingest_event e WHERE e.day = partition.day AND e.source_id = s.id AND e.message_id = %(message_id)s
) e
WHERE %(source)s IS NULL OR s.id = %(source)s
ORDER BY e.xid DESC, e.position DESC
"""


@dataclass(frozen=True, slots=True)
class Found:
    """One event of the log."""

    source: str
    day: date
    source_id: int
    message_id: str
    lane: int
    user_key: str
    xid: int
    position: int
    received_at: datetime
    payload: str

    @property
    def place(self) -> str:
        """What names it in a URL: source, lane, xid, position."""
        return f"{self.source_id}-{self.lane}-{self.xid}-{self.position}"


def by_message_id(message_id: str, source_id: int | None) -> list[Found]:
    """The events with this message id, of a source or of all, newest first."""
    return _found(_BY_MESSAGE_ID, {"source": source_id, "message_id": message_id})


def by_place(place: str) -> Found | None:
    """The event at a place, as Found.place names it."""
    parts = place.split("-")
    if len(parts) != 4 or not all(part.isdecimal() and len(part) < 19 for part in parts):
        return None
    condition = "e.source_id = %s AND e.lane = %s AND e.xid = %s AND e.position = %s"
    query = f"SELECT {COLUMNS} FROM ingest_event e JOIN ingest_source s ON s.id = e.source_id WHERE {condition}"
    return next(iter(_found(query, [int(part) for part in parts])), None)


def _found(query: str, parameters: Any) -> list[Found]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SET_LOCAL_FROM_INDEXES)
        cursor.execute(query, parameters)
        return [Found(*row) for row in cursor.fetchall()]
