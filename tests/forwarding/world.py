"""A source, a destination behind a scripted sink, and the events accepted: what forwarding tests are made of."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection as database

from destinations.models import Connection, Delivery, Destination, Health
from destinations.oracle.check import Report, check
from destinations.oracle.sink import Sink
from ingest import log
from ingest.hashing import lane_of
from ingest.models import Source
from ingest.statements import NewEvent

# Every term is counted from its own table; `accepted` stops where cursors stop, at the horizon.
_BALANCE = """
WITH horizon AS MATERIALIZED (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xid),
lanes AS MATERIALIZED (
    SELECT e.*, c.source_id FROM destinations_effective_lane e
    JOIN destinations_connection c ON c.id = e.connection_id WHERE c.id = %(connection)s)
SELECT
    (SELECT count(*) FROM ingest_event e, horizon h JOIN destinations_connection c ON c.id = %(connection)s
     WHERE e.source_id = c.source_id AND e.xid >= c.start_xid AND e.xid < h.xid) AS accepted,
    (SELECT sum(delivered)::bigint FROM lanes) + recovered.events AS delivered,
    (SELECT count(*) FROM lanes l JOIN ingest_event e ON e.source_id = l.source_id AND e.lane = l.number
        AND (e.xid, e.position) > (l.xid, l.position), horizon h
     WHERE e.xid < h.xid AND NOT l.beyond @> jsonb_build_array(jsonb_build_array(e.xid, e.position))) AS pending,
    (SELECT count(*) FROM destinations_delivery WHERE connection_id = %(connection)s AND replay = 0
       AND state = 'failed') AS failed,
    (SELECT count(*) FROM destinations_delivery WHERE connection_id = %(connection)s AND replay = 0
       AND state = 'waiting') AS waiting,
    (SELECT sum(aborted)::bigint FROM lanes) - recovered.events AS aborted,
    (SELECT coalesce(sum(value::bigint), 0)::bigint FROM lanes, jsonb_each_text(filtered)) AS filtered,
    (SELECT sum(skipped)::bigint FROM lanes) AS skipped,
    (SELECT count(*) FROM destinations_delivery
     WHERE connection_id = %(connection)s AND replay = 0 AND state = 'aborted') AS dead_letters
FROM (SELECT coalesce(sum(events), 0)::bigint AS events FROM destinations_recovery
      WHERE connection_id = %(connection)s) recovered
"""


@dataclass
class World:
    """One connection to a webhook destination at `sink`; `accepted` holds what was stored through it, user by user."""

    sink: Sink
    source: Source
    destination: Destination
    connection: Connection
    accepted: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def append(
        self, user: str, *message_ids: str, answers: Sequence[Any] = (), event: str = "Clicked", **fields: Any
    ) -> None:
        """Store events of one user in one request; `answers` is their script at the sink."""
        log.append([self.event(user, message_id, answers, event, **fields) for message_id in message_ids])
        self.accepted[user].extend(message_ids)

    def event(
        self, user: str, message_id: str, answers: Sequence[Any] = (), event: str = "Clicked", **fields: Any
    ) -> NewEvent:
        """An event, ready to be stored."""
        body = {
            "type": "track",
            "event": event,
            "messageId": message_id,
            "anonymousId": user,
            "properties": {"answers": list(answers)},
            **fields,
        }
        return NewEvent(self.source.pk, message_id, lane_of(user), user, json.dumps(body))

    def append_apart(self, names: Sequence[str], from_users: Sequence[str]) -> list[str]:
        """One event each for users like these names, in lanes that none of `from_users` shares; their message ids."""
        taken = {lane_of(user) for user in from_users}
        message_ids = []
        for name in names:
            user = next(u for u in (f"{name}.{number}" for number in range(1000)) if lane_of(u) not in taken)
            self.append(user, f"{user}-0")
            message_ids.append(f"{user}-0")
        return message_ids

    def many(self, users: int, each: int, prefix: str = "u") -> None:
        """Events of many users, round after round, a request a round."""
        for number in range(each):
            names = [f"{prefix}{user}" for user in range(users)]
            log.append([self.event(name, f"{name}-{number}") for name in names])
            for name in names:
                self.accepted[name].append(f"{name}-{number}")

    def report(self, given_up: Sequence[str] = ()) -> Report:
        """The oracle's judgement so far."""
        return check(self.accepted, list(self.sink.arrivals), given_up)

    def balance(self) -> dict[str, int]:
        """The terms of the conservation equation, in one snapshot, and `difference`."""
        with database.cursor() as cursor:
            cursor.execute(_BALANCE, {"connection": self.connection.pk})
            assert cursor.description is not None
            terms = dict(zip([column.name for column in cursor.description], cursor.fetchone() or (), strict=True))
        parts = ("delivered", "pending", "failed", "waiting", "aborted", "filtered", "skipped")
        return terms | {"difference": terms["accepted"] - sum(terms[part] for part in parts)}

    def is_settled(self) -> bool:
        """Whether every event accepted has its final fate; asserts that none is unaccounted for."""
        terms = self.balance()
        assert terms["difference"] == 0, terms
        stored = sum(map(len, self.accepted.values()))
        return terms["accepted"] >= stored and not terms["pending"] + terms["failed"] + terms["waiting"]

    def rows(self, **chosen: Any) -> list[Delivery]:
        """The connection's rows, in order of acceptance."""
        return list(Delivery.objects.filter(connection=self.connection, **chosen).order_by("xid", "position"))

    def health(self) -> Health:
        """The destination's health as it stands."""
        return Health.objects.get(destination=self.destination)

    def change(self, **values: Any) -> None:
        """Change the destination's settings."""
        for name, value in values.items():
            setattr(self.destination, name, value)
        self.destination.save(update_fields=list(values))


def make_world(sink: Sink, name: str = "hook", source: Source | None = None, **values: Any) -> World:
    """A new destination at the sink, connected to `source` or to a new one."""
    source = source or Source.objects.create(name=f"source of {name}", write_key=f"key of {name}")
    config = {"webhookUrl": sink.url, "webhookMethod": "POST"} | values.pop("config", {})
    destination = Destination.objects.create(name=name, type="webhook", config=config, **values)
    made = Connection.objects.create(source=source, destination=destination)
    made.refresh_from_db()
    return World(sink, source, destination, made)
