"""An outage of the database as it was told: kept on disk for a restart meanwhile, and written when it is over.

Must never tell anybody anything itself: alerts.watch.away does.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from psycopg2.extensions import connection as Connection  # noqa: N812

from alerts.channels.sending import Address
from alerts.incidents.kinds import DATABASE_AWAY
from alerts.watch import disk

FILE = "alerts-outage"
SEVERITY = "critical"
SUMMARY = "The database is away: events cannot be accepted or forwarded"

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('rudderproj.database_away'))"
# Another alerts worker may have written the same outage already.
_INCIDENT = """
INSERT INTO alerts_incident (key, kind, severity, summary, details, opened_at, updated_at, resolved_at)
SELECT %(key)s, %(key)s, %(severity)s, %(summary)s, %(details)s::jsonb, opened.at, now(), now()
FROM (SELECT now() - make_interval(secs => %(seconds)s) AS at) opened
WHERE NOT EXISTS (SELECT FROM alerts_incident WHERE key = %(key)s AND (resolved_at IS NULL OR resolved_at >= opened.at))
RETURNING id
"""
_TRIGGER = """
INSERT INTO alerts_notification
    (incident_id, channel_id, action, created_at, next_attempt_at, attempts, sent_at, last_error)
SELECT %(incident)s, c.id, 'trigger', now() - make_interval(secs => %(since)s),
    CASE WHEN %(sent)s::float8 IS NULL THEN now() END, %(attempts)s,
    now() - make_interval(secs => %(sent)s::float8), %(error)s
FROM alerts_channel c WHERE c.id = %(channel)s OR %(channel)s = 0 AND c.name = %(name)s
ON CONFLICT DO NOTHING
"""
_RESOLVE = """
INSERT INTO alerts_notification (incident_id, channel_id, action, created_at, next_attempt_at, attempts, last_error)
SELECT incident_id, channel_id, 'resolve', now(), now(), 0, '' FROM alerts_notification WHERE incident_id = %s
"""


@dataclass(slots=True)
class Told:
    """How far one channel was told. Times are time.monotonic()."""

    attempts: int = 0
    next_at: float = 0.0
    sent_at: float | None = None
    error: str = ""

    def moved(self, seconds: float) -> "Told":
        """The same by another clock."""
        return replace(self, next_at=self.next_at + seconds, sent_at=_moved(self.sent_at, seconds))


def _moved(at: float | None, seconds: float) -> float | None:
    return None if at is None else at + seconds


@dataclass(slots=True)
class Outage:
    """The database has been away since `since` (time.monotonic())."""

    since: float
    told: dict[str, tuple[Address, Told]] = field(default_factory=dict)  # by the channel's name

    def keep(self, now: float) -> None:
        """On disk, for who is started meanwhile. There times are of the clock that all processes share."""
        shift = time.time() - now
        told = [(asdict(address), asdict(one.moved(shift))) for address, one in self.told.values()]
        disk.keep(FILE, {"since": self.since + shift, "told": told})


def kept(now: float) -> Outage | None:
    """The one that was told by who ran before, unless it was written."""
    shift = now - time.time()
    try:
        row = disk.read(FILE) or {}
        told = [(Address(**address), Told(**one).moved(shift)) for address, one in row["told"]]
        return Outage(row["since"] + shift, {address.name: (address, one) for address, one in told})
    except (KeyError, TypeError, ValueError):
        return None


def forget() -> None:
    """It was written."""
    disk.forget(FILE)


def write(raw: Connection, outage: Outage, details: Mapping[str, str], now: float) -> None:
    """The incident and its notifications, as they were, and the resolves that are owed. Raises psycopg2.Error."""
    row = {
        "key": DATABASE_AWAY,
        "severity": SEVERITY,
        "summary": SUMMARY,
        "details": json.dumps(dict(details)),
        "seconds": now - outage.since,
    }
    raw.autocommit = False
    with raw, raw.cursor() as cursor:
        cursor.execute(_LOCK)
        cursor.execute(_INCIDENT, row)
        for (incident,) in cursor.fetchall():
            for address, told in outage.told.values():
                cursor.execute(_TRIGGER, _trigger(incident, address, told, outage, now))
            cursor.execute(_RESOLVE, [incident])


def _trigger(incident: int, address: Address, told: Told, outage: Outage, now: float) -> dict[str, object]:
    return {
        "incident": incident,
        "channel": address.channel_id,
        "name": address.name,
        "since": now - outage.since,
        "attempts": told.attempts,
        "sent": None if told.sent_at is None else now - told.sent_at,
        "error": told.error,
    }
