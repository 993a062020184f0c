"""What a link must know of its destination, the mode and its connections, read in one statement.

Must never be cached across links: configuration used for a batch is read in the batch's snapshot or later.
"""

import json
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from alerts import modes
from destinations.breaker import Streak
from destinations.replay.selection import Running
from destinations.selection import Gap, Wanted
from destinations.skip import Skip
from rudderproj import secrets
from rudderproj.prepared import Prepared

CLOCK_MOVED = timedelta(seconds=1)
UNREADABLE = "the configuration cannot be read"

_READ = Prepared("""
SELECT d.name, d.type, d.config, d.enabled, d.rate_limit, d.max_concurrency, d.retry, d.event_filter,
    h.state, h.breaker, h.probe_at <= now() AS probe_due, h.probes_failed, h.streak, h.learned,
    coalesce(nullif(%(forced)s::text, ''), (SELECT mode FROM alerts_mode)) AS mode, clock_timestamp() AS read_at,
    (SELECT count(*) FROM destinations_claim WHERE destination_id = d.id) AS claims,
    coalesce((SELECT jsonb_object_agg(c.id, jsonb_build_object('active', c.enabled AND d.enabled, 'gaps', coalesce(
        (SELECT jsonb_agg(jsonb_build_array(g.from_xid, g.to_xid, g.snapshot)) FROM destinations_gap g
         WHERE g.connection_id = c.id), '[]')))
        FROM destinations_connection c WHERE c.destination_id = d.id), '{}') AS connections,
    (SELECT version FROM ingest_configversion) AS config_version,
    coalesce((SELECT jsonb_object_agg(r.id, jsonb_build_array(r.origin, r.event, r.rate,
        (SELECT count(DISTINCT l.claim_id) FROM destinations_lane l WHERE l.replay = r.id AND l.replay > 0),
        coalesce(greatest(0, extract(epoch FROM r.next_at - clock_timestamp())), 0)))
        FROM destinations_replay r
        WHERE r.destination_id = d.id AND r.state = 'running' AND r.counts IS NULL), '{}') AS replays,
    EXISTS (SELECT FROM destinations_suspect s
        WHERE s.destination_id = d.id AND s.state = 'open' AND s.connection_id IS NULL) AS is_barred,
    EXISTS (SELECT FROM destinations_suspect s
        WHERE s.destination_id = d.id AND s.state = 'open' AND s.connection_id IS NOT NULL) AS has_suspects,
    skip.snapshot, skip.actor
FROM destinations_destination d JOIN destinations_health h ON h.destination_id = d.id
LEFT JOIN LATERAL (
    SELECT a.snapshot, a.actor FROM destinations_destinationaction a
    WHERE a.destination_id = d.id AND a.snapshot IS NOT NULL ORDER BY a.id DESC LIMIT 1
) skip ON true
WHERE d.id = %(destination)s::bigint
""")


def utc_now() -> datetime:
    """This machine's wall clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Control:
    """One reading; JSON columns as Python values."""

    id: int
    name: str
    type: str
    config: dict[str, Any]
    enabled: bool
    rate_limit: int | None
    max_concurrency: int | None
    retry: dict[str, Any]
    event_filter: dict[str, Any]
    state: str
    breaker: str
    probe_due: bool | None
    probes_failed: int
    streak: dict[str, Any]
    learned: dict[str, int] | None  # allowance.Learned, as the last link has it
    mode: str
    read_at: datetime  # by the database's clock, which decides when a retry is due
    claims: int
    connections: dict[str, dict[str, Any]]
    config_version: int  # rises with every change of sources, destinations and connections
    replays: dict[int, Running]  # those that may send, by id
    is_barred: bool  # the start of its links is suspected of killing processes
    has_suspects: bool  # some of its events are, and are looked into once their lanes are nobody's
    skip: Skip | None  # what an operator passed over last
    read_here: datetime  # by this machine's clock
    took: timedelta  # to read all this: the clocks were not looked at in one moment
    config_problem: str = ""  # why the configuration cannot be decrypted: then it is empty

    @property
    def fixed(self) -> tuple[Any, ...]:
        """What a link takes for its whole life: when it changes, the next link must take over."""
        return self.name, self.type, self.config, self.retry, self.max_concurrency

    @property
    def ahead(self) -> timedelta:
        """By how much the database's clock is ahead of this machine's."""
        return self.read_at - self.read_here

    def ends_link_of(self, first: "Control") -> bool:
        """Whether a link that began with that reading must give way to one that begins with this."""
        may_be = CLOCK_MOVED + max(self.took, first.took)
        return self.fixed != first.fixed or abs(self.ahead - first.ahead) > may_be

    @property
    def may_send(self) -> bool:
        """Normal mode, not held or paused, breaker closed."""
        return self.stopped_because is None and self.breaker == "closed"

    @property
    def stopped_because(self) -> str | None:
        """Why nothing may be sent at all, not even a probe; None when something may."""
        if self.mode != "normal":
            return self.mode
        if self.state != "ok":
            return self.state
        return "suspected" if self.is_barred else None

    def slots(self, share: int) -> int:
        """How many links may work on this destination at once."""
        return min(share, self.max_concurrency or share)

    def part(self, share: int) -> int | None:
        """One link's part of max_concurrency, if there is one: the slots' parts never add up to more."""
        return max(1, self.max_concurrency // self.slots(share)) if self.max_concurrency else None

    def wanted(self, names: frozenset[str]) -> dict[int, Wanted]:
        """What each connection asks for, by connection id."""
        return {
            int(connection_id): Wanted(
                value["active"], [Gap.stored(*gap) for gap in value["gaps"]], self.event_filter, names
            )
            for connection_id, value in self.connections.items()
        }

    def streak_so_far(self) -> Streak:
        """The failures that earlier links left behind."""
        return Streak.stored(self.streak)


def read(raw: Connection, destination_id: int, *, examining: bool = False) -> Control | None:
    """The destination as it stands now; None when it is gone.

    While it is barred only who is `examining` gets its configuration, and is not told to stay away.
    """
    asked = time.monotonic()
    with raw.cursor() as cursor:
        _READ.execute(cursor, {"destination": destination_id, "forced": modes.forced()})
        row = cursor.fetchone()
        read_here, took = utc_now(), timedelta(seconds=time.monotonic() - asked)
    if row is None:
        return None
    name, type_name, stored, *others, replays, is_barred, has_suspects, skipped_at, skipped_to = row
    others.append({int(pk): Running(*values) for pk, values in replays.items()})
    others.append(is_barred and not examining)
    others += [has_suspects, Skip.stored(skipped_at, skipped_to), read_here, took]
    if is_barred and not examining:
        return Control(destination_id, name, type_name, {}, *others)
    try:
        return Control(destination_id, name, type_name, json.loads(secrets.decrypt(stored)), *others)
    except secrets.SecretUnreadable as error:
        return replace(Control(destination_id, name, type_name, {}, *others), config_problem=f"{UNREADABLE}: {error}")
