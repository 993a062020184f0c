"""Pages of delivery rows, live ones or a replay's: by destination, source, state, reason, time. Newest first, by id.

Each connection's rows of each state are read from an index and merged, so that a page costs what it shows, with a
thousand connections and a million dead letters too. Must never count or sort a table.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from destinations.models import Delivery
from rudderproj.db import SET_LOCAL_FROM_INDEXES

_PAGE = """
SELECT d.id FROM destinations_connection c CROSS JOIN unnest(%(states)s) wanted (state) CROSS JOIN LATERAL (
    SELECT d.id FROM destinations_delivery d
    WHERE d.connection_id = c.id AND d.state = wanted.state AND d.replay = %(replay)s AND d.id < %(before)s
        AND (%(reason)s IS NULL OR d.reason = %(reason)s)
        AND (%(since)s IS NULL OR d.updated_at >= %(since)s) AND (%(until)s IS NULL OR d.updated_at <= %(until)s)
    ORDER BY d.id DESC LIMIT %(limit)s
) d
WHERE (%(destination)s IS NULL OR c.destination_id = %(destination)s)
    AND (%(source)s IS NULL OR c.source_id = %(source)s)
ORDER BY d.id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which rows; None: any. `since` and `until` are about the last change; `reason` is the whole reason."""

    destination_id: int | None = None
    source_id: int | None = None
    state: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    replay: int = 0  # 0: the live ones


def page(chosen: Chosen, limit: int, before: int | None = None) -> list[Delivery]:
    """Up to `limit` rows with smaller ids than `before`, newest first, with their connections."""
    parameters = {
        "states": [chosen.state] if chosen.state else Delivery.State.values,
        "destination": chosen.destination_id,
        "source": chosen.source_id,
        "reason": chosen.reason,
        "replay": chosen.replay,
        "since": chosen.since,
        "until": chosen.until,
        "before": 2**63 - 1 if before is None else before,
        "limit": limit,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SET_LOCAL_FROM_INDEXES)
        cursor.execute(_PAGE, parameters)
        ids = [row[0] for row in cursor.fetchall()]
    found = Delivery.objects.select_related("connection__source", "connection__destination").filter(pk__in=ids)
    return sorted(found, key=lambda row: -row.pk)
