"""How many events a replay would look at, and how many of them it would send: counted where quick. Read-only."""

from datetime import datetime
from typing import NamedTuple

import orjson
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations.replay import ranges
from destinations.replay.ranges import BETWEEN, LETTERS, VALUES, Found
from destinations.replay.selection import Selection, name_of
from ingest import tally

EXACT_EVENTS = 100_000  # of the log; more are estimated
EXACT_PAYLOADS = 20_000  # the same where each event has to be looked into

_SOME = f"SELECT count(*) FROM (SELECT FROM {VALUES} JOIN ingest_event e ON {BETWEEN} LIMIT {{most}}) first"

# By the milestones around each range, which are kept every some thousand events of a source.
_ESTIMATE = f"""
SELECT coalesce(sum(greatest(0,
    coalesce((SELECT m.by_lane[l.number + 1] FROM ingest_milestone m
              WHERE m.source_id = l.source_id AND m.xid > l.end_xid ORDER BY m.xid LIMIT 1), t.by_lane[l.number + 1])
    - coalesce((SELECT m.by_lane[l.number + 1] FROM ingest_milestone m
                WHERE m.source_id = l.source_id AND m.xid <= l.xid ORDER BY m.xid DESC LIMIT 1), 0))), 0)::bigint
FROM {VALUES} JOIN ingest_tally t ON t.source_id = l.source_id
"""

_EVENTS = f"SELECT e.received_at, e.user_key, e.payload FROM {VALUES} JOIN ingest_event e ON {BETWEEN}"

_LETTER_PAYLOADS = f"""
SELECT coalesce(d.payload, (
    SELECT e.payload FROM ingest_event e JOIN destinations_connection c ON c.source_id = e.source_id
    WHERE c.id = d.connection_id AND e.day = d.day AND e.message_id = d.message_id))
{LETTERS}
"""


class Count(NamedTuple):
    """`total` events are looked at, `events` of them sent; not exact: about so many at most."""

    total: int
    total_is_exact: bool
    events: int
    events_is_exact: bool


def count(raw: Connection, selection: Selection, found: Found) -> Count:
    """Count what a selection comes to. Raises psycopg2.Error."""
    if found.events is not None:  # dead letters, or picked one by one
        if not selection.event:
            return Count(found.events, True, found.events, True)
        if selection.is_picked:
            return Count(found.events, True, found.events, False)
        return Count(found.events, True, _named_letters(raw, selection, found), True)
    ((total,),) = ranges.with_values(raw, _SOME.format(most=EXACT_EVENTS + 1), found.ranges) or [(0,)]
    if total > EXACT_EVENTS:
        for source_id in {each.source_id for each in found.ranges}:
            tally.roll_up(raw, source_id)
        ((estimate,),) = ranges.with_values(raw, _ESTIMATE, found.ranges)
        return Count(max(total, estimate), False, max(total, estimate), False)
    if not (selection.since or selection.until or selection.user_key or selection.event):
        return Count(total, True, total, True)
    if total > EXACT_PAYLOADS:
        return Count(total, True, total, False)
    chosen = sum(_is_chosen(selection, *row) for row in ranges.with_values(raw, _EVENTS, found.ranges))
    return Count(total, True, chosen, True)


def _is_chosen(selection: Selection, received_at: datetime, user_key: str, payload: str) -> bool:
    if (selection.since and received_at < selection.since) or (selection.until and received_at >= selection.until):
        return False
    if selection.user_key and user_key != selection.user_key:
        return False
    return not selection.event or name_of(orjson.loads(payload)) == selection.event


def _named_letters(raw: Connection, selection: Selection, found: Found) -> int:
    """Dead letters with that event name: each is looked into, a few thousand at a time."""
    raw.autocommit = False
    try:
        with raw, raw.cursor("dead_letters") as cursor:
            cursor.itersize = 2000
            cursor.execute(
                _LETTER_PAYLOADS, ranges.parameters(selection, {each.connection_id for each in found.ranges})
            )
            return sum(row[0] is not None and name_of(orjson.loads(row[0])) == selection.event for row in cursor)
    finally:
        raw.autocommit = True
