"""Where is my event? From a message id, a user or a time to events, and to what became of each at every connection.

Admin, API and `manage.py trace` share these. Every query goes by an index. All that is said of a page of events comes
from one statement, so that an event that moves meanwhile is seen once. Must never change anything.
"""

import contextlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from alerts import modes
from destinations import actions, registry
from destinations.fate import Evidence, Fate, Replayed, Row, Try, fate_of
from destinations.models import Delivery, Lane
from destinations.selection import Gap, Wanted
from ingest import history, lookup
from ingest.models import RejectedEvent
from rudderproj.db import SET_LOCAL_FROM_INDEXES

SHOWN_TRIES = 50  # of one event at one connection, the latest
SHOWN_ROWS = 100  # of rejected events and of dead letters with one message id

_EVIDENCE = f"""
SELECT e.n, c.id, s.name, d.id, d.name, d.type, c.start_xid,
    (e.xid, e.position) <= (l.xid, l.position) OR l.beyond @> jsonb_build_array(jsonb_build_array(e.xid, e.position)),
    e.xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
    (SELECT mode FROM alerts_mode), h.state, h.breaker, l.filtered, c.enabled AND d.enabled, d.event_filter,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(g.from_xid, g.to_xid, g.snapshot)), '[]') FROM destinations_gap g
     WHERE g.connection_id = c.id),
    r.id, r.state, r.reason, r.attempts, r.first_failed_at, r.next_attempt_at, r.updated_at, r.request, r.response,
    (SELECT coalesce(jsonb_agg(tried ORDER BY at), '[]') FROM (
        SELECT a.at, jsonb_build_array(a.at, a.status, a.outcome, a.error, a.response, a.duration_ms) AS tried
        FROM destinations_attempt a
        WHERE a.connection_id = c.id AND a.xid = e.xid AND a.position = e.position AND a.replay = 0
        ORDER BY a.id DESC LIMIT {SHOWN_TRIES}) latest),
    CASE WHEN EXISTS (SELECT FROM destinations_destinationaction a
                      WHERE a.destination_id = d.id AND a.snapshot IS NOT NULL) THEN l.lane_id END,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(o.replay, o.state, o.reason, o.attempts, o.next_attempt_at)
                               ORDER BY o.replay), '[]')
     FROM destinations_delivery o
     WHERE o.connection_id = c.id AND o.xid = e.xid AND o.position = e.position AND o.replay > 0)
FROM unnest(%(ns)s, %(sources)s, %(lanes)s, %(xids)s::bigint[], %(positions)s)
    e (n, source_id, lane, xid, position)
JOIN destinations_connection c ON c.source_id = e.source_id
JOIN ingest_source s ON s.id = c.source_id
JOIN destinations_destination d ON d.id = c.destination_id
JOIN destinations_health h ON h.destination_id = d.id
JOIN destinations_effective_lane l ON l.connection_id = c.id AND l.number = e.lane
LEFT JOIN destinations_delivery r
    ON r.connection_id = c.id AND r.xid = e.xid AND r.position = e.position AND r.replay = 0
    AND r.replay = 0
ORDER BY e.n, d.name
"""


@dataclass(frozen=True, slots=True)
class Event:
    """An accepted event. Of one that the log no longer has, a dead letter may still tell most."""

    source_id: int
    source: str
    message_id: str
    user_key: str
    lane: int
    xid: int
    position: int
    received_at: datetime | None
    payload: str | None
    in_log: bool

    @property
    def place(self) -> str:
        """What names it in a URL, as ingest.lookup reads it."""
        return f"{self.source_id}-{self.lane}-{self.xid}-{self.position}"

    @property
    def content(self) -> Mapping[str, Any] | None:
        """The payload parsed; None when it is gone."""
        found: Mapping[str, Any] | None = json.loads(self.payload) if self.payload else None
        return found


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that was refused, and why."""

    id: int
    source: str
    message_id: str
    received_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Traced:
    """An event with its fate at every connection of its source, by the destination's name."""

    event: Event
    fates: list[Fate]


@dataclass(frozen=True, slots=True)
class Trace:
    """What was found. `next_before` continues a walk through the log; None: there is no more."""

    events: list[Traced] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    next_before: history.Place | None = None

    def __bool__(self) -> bool:
        return bool(self.events or self.rejected)


def by_message_id(message_id: str, source_id: int | None = None) -> Trace:
    """All events with this message id, of a source or of all: accepted, rejected, and kept as dead letters only."""
    logged = [_logged(found) for found in lookup.by_message_id(message_id, source_id)]
    places = {(event.xid, event.position) for event in logged}
    kept = [event for event in _kept(message_id, source_id) if (event.xid, event.position) not in places]
    return Trace(traced(logged + kept), _rejected(message_id, source_id))


def by_place(place: str) -> Traced | None:
    """The event of the log at a place, as Event.place names it."""
    found = lookup.by_place(place)
    return traced([_logged(found)])[0] if found else None


def walk(asked: history.Asked, limit: int, before: history.Place | None = None) -> Trace:
    """A page of the log, newest first, each event with its fates: of a user, of a range of time, of a source."""
    page = history.page(asked, limit, before)
    return Trace(traced([_logged(found) for found in page.events]), [], page.next_before)


def traced(events: Sequence[Event]) -> list[Traced]:
    """Each event with its fates, all in one snapshot."""
    if not events:
        return []
    parameters = {
        "ns": list(range(len(events))),
        "sources": [event.source_id for event in events],
        "lanes": [event.lane for event in events],
        "xids": [event.xid for event in events],
        "positions": [event.position for event in events],
    }
    fates: dict[int, list[Fate]] = defaultdict(list)
    contents = [event.content for event in events]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SET_LOCAL_FROM_INDEXES)
        cursor.execute(_EVIDENCE, parameters)
        for number, *columns in cursor.fetchall():
            fates[number].append(fate_of(_evidence(columns, events[number]), contents[number], events[number].xid))
    return [Traced(event, fates[number]) for number, event in enumerate(events)]


def _evidence(columns: list[Any], event: Event) -> Evidence:
    connection_id, source, destination_id, destination, kind, start_xid, is_settled, is_readable = columns[:8]
    mode, state, breaker, filtered, active, event_filter, gaps = columns[8:15]
    names = frozenset({destination.lower()})
    with contextlib.suppress(registry.UnknownTypeError):
        names = registry.names(destination, kind)
    row, tries, skipping_lane = columns[15:24], columns[24], columns[25]
    return Evidence(
        connection_id=connection_id,
        source=source,
        destination_id=destination_id,
        destination=destination,
        type=kind,
        start_xid=start_xid,
        is_settled=is_settled,
        is_readable=is_readable,
        mode=modes.forced() or mode,
        destination_state=state,
        breaker=breaker,
        filtered_so_far=_json(filtered),
        skipped_by=_skipped_by(skipping_lane, event) if row[0] is None else None,
        wanted=Wanted(active, [Gap.stored(*gap) for gap in _json(gaps)], _json(event_filter), names),
        row=_row(row) if row[0] is not None else None,
        replays=[_replayed(*each) for each in _json(columns[26])],
        tries=[Try(datetime.fromisoformat(at), *rest) for at, *rest in _json(tries)],
    )


def _replayed(replay_id: int, state: str, reason: str, attempts: int, next_at: str | None) -> Replayed:
    return Replayed(replay_id, state, reason, attempts, datetime.fromisoformat(next_at) if next_at else None)


def _skipped_by(lane_id: int | None, event: Event) -> str | None:
    """Who passed the event over; `lane_id` is None where nobody ever passed anything over."""
    if lane_id is None:
        return None
    lane = Lane.objects.select_related("connection").get(pk=lane_id)
    action = actions.skipped_by(lane, event.xid, event.position)
    return action.actor if action else None


def _row(columns: list[Any]) -> Row:
    pk, state, reason, attempts, first_failed_at, next_attempt_at, updated_at, request, response = columns
    return Row(
        id=pk,
        state=state,
        reason=reason,
        attempts=attempts,
        first_failed_at=first_failed_at,
        next_attempt_at=next_attempt_at,
        updated_at=updated_at,
        request=_json(request),
        response=_json(response),
    )


def _json(value: Any) -> Any:
    """Django's connections hand JSON columns over as text."""
    return json.loads(value) if isinstance(value, str) else value


def _logged(found: lookup.Found) -> Event:
    return Event(
        source_id=found.source_id,
        source=found.source,
        message_id=found.message_id,
        user_key=found.user_key,
        lane=found.lane,
        xid=found.xid,
        position=found.position,
        received_at=found.received_at,
        payload=found.payload,
        in_log=True,
    )


def _kept(message_id: str, source_id: int | None) -> list[Event]:
    """Events as their rows have them: dead letters outlive the log."""
    rows = (
        Delivery.objects.filter(replay=0, message_id=message_id).select_related("connection__source").order_by("-xid")
    )
    if source_id is not None:
        rows = rows.filter(connection__source=source_id)
    events: dict[tuple[int, int], Event] = {}
    for row in rows[:SHOWN_ROWS]:
        known = events.get((row.xid, row.position))
        events[row.xid, row.position] = Event(
            source_id=row.connection.source_id,
            source=row.connection.source.name,
            message_id=row.message_id,
            user_key=row.user_key,
            lane=row.lane,
            xid=row.xid,
            position=row.position,
            received_at=None,
            payload=row.payload or (known.payload if known else None),
            in_log=False,
        )
    return list(events.values())


def _rejected(message_id: str, source_id: int | None) -> list[Rejected]:
    rows = RejectedEvent.objects.filter(message_id=message_id).exclude(message_id="").select_related("source")
    if source_id is not None:
        rows = rows.filter(source=source_id)
    return [
        Rejected(row.pk, row.source.name, row.message_id, row.received_at, row.reason)
        for row in rows.order_by("-id")[:SHOWN_ROWS]
    ]
