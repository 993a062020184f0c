"""Listing dead letters, newest first, page by page by key: fast with millions of them. Must never count them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from destinations.models import Connection, Delivery

# The newest of each connection; among them are the newest of all.
_NEWEST = """
SELECT d.id FROM unnest(%(connections)s::bigint[]) c (id) CROSS JOIN LATERAL (
    SELECT d.id, d.updated_at FROM destinations_delivery d
    WHERE d.connection_id = c.id AND d.replay = 0 AND d.state = 'aborted'
      AND (%(reason)s = '' OR d.reason = %(reason)s)
      AND (%(since)s::timestamptz IS NULL OR d.updated_at >= %(since)s)
      AND (%(until)s::timestamptz IS NULL OR d.updated_at < %(until)s)
      AND (%(at)s::timestamptz IS NULL OR (d.updated_at, d.id) < (%(at)s, %(id)s))
    ORDER BY d.updated_at DESC, d.id DESC LIMIT %(limit)s
) d
ORDER BY d.updated_at DESC, d.id DESC LIMIT %(limit)s
"""


class Key(NamedTuple):
    """Where a page ended: pass it on to get the next one."""

    at: datetime
    id: int


class Page(NamedTuple):
    """Dead letters, newest first; `after` is None on the last page."""

    letters: Sequence[Delivery]
    after: Key | None


def dead_letters(
    destination_id: int | None = None,
    reason: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    after: Key | None = None,
    limit: int = 50,
) -> Page:
    """One page. `since` and `until` are about when they were given up."""
    connections = Connection.objects.all()
    if destination_id is not None:
        connections = connections.filter(destination=destination_id)
    values = {"reason": reason, "since": since, "until": until, "limit": limit + 1}
    values |= {"at": after.at if after else None, "id": after.id if after else 0}
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, values | {"connections": list(connections.values_list("pk", flat=True))})
        ids = [row[0] for row in cursor.fetchall()]
    rows = Delivery.objects.select_related("connection__source", "connection__destination").in_bulk(ids[:limit])
    letters = [rows[pk] for pk in ids[:limit] if pk in rows]
    last = letters[-1] if letters and len(ids) > limit else None
    return Page(letters, Key(last.updated_at, last.pk) if last else None)
