"""What was in flight, in words for people: destination, source and message id of each entry. Must never write."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

# A failed or waiting row, or a dead letter, tells the message id when the log no longer does.
_NAMES = """
SELECT d.name, s.name, coalesce(
    (SELECT r.message_id FROM destinations_delivery r
     WHERE r.connection_id = f.connection AND r.xid = f.xid AND r.position = f.position ORDER BY r.replay LIMIT 1),
    (SELECT e.message_id FROM ingest_event e
     WHERE e.source_id = c.source_id AND e.lane = f.lane AND e.xid = f.xid AND e.position = f.position LIMIT 1))
FROM ROWS FROM (jsonb_to_recordset(%s::jsonb)
    AS (destination bigint, connection bigint, lane int, replay bigint, xid bigint, position int)
) WITH ORDINALITY AS f (destination, connection, lane, replay, xid, position, nth)
LEFT JOIN destinations_destination d ON d.id = f.destination
LEFT JOIN destinations_connection c ON c.id = f.connection
LEFT JOIN ingest_source s ON s.id = c.source_id
ORDER BY f.nth
"""


def describe(in_flight: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each entry of Crash.in_flight, in its order. Raises django.db.DatabaseError."""
    if not in_flight:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_NAMES, [json.dumps(list(in_flight))])
        return [_line(entry, *names) for entry, names in zip(in_flight, cursor.fetchall(), strict=True)]


def _line(entry: Mapping[str, Any], destination: str | None, source: str | None, message_id: str | None) -> str:
    to = destination or f"destination {entry['destination']}, deleted since"
    if "xid" not in entry:
        return f"{to}: its link was about to begin"
    if entry["lane"] < 0:
        return f"{to}: a test event"
    if source is None:
        return f"{to}: an event of a connection that was deleted since"
    replayed = f", sent by replay {entry['replay']}" if entry["replay"] else ""
    return f"{to}: event {message_id or 'no longer kept'} of {source}{replayed}"
