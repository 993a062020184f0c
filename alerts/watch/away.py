"""The database away: told from what is remembered of the channels, under one key; the rows follow when it is back.

One that can be read and not written is away too. Must never take a database that is slow for one that is away before
ALERT_DATABASE_SECONDS have passed, or lose what was said meanwhile: it is written as it was.
"""

import json
import time
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg2
import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from psycopg2.extensions import connection as Connection  # noqa: N812

from alerts import links
from alerts.channels import environment, sending
from alerts.channels.message import TRIGGER, Message
from alerts.channels.sending import Address
from alerts.incidents.kinds import DATABASE_AWAY, KINDS
from alerts.models import Channel
from alerts.notifications import deliver
from alerts.watch.cache import Cache
from rudderproj import db

log = structlog.get_logger(__name__)

STATEMENT_SECONDS = 5.0
REFRESH_SECONDS = 30.0
SEVERITY = "critical"
SUMMARY = "The database is away: events cannot be accepted or forwarded"

# A standby says so too.
_IS_READ_ONLY = "SELECT current_setting('transaction_read_only')::boolean"
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


@dataclass(slots=True)
class Outage:
    """The database has been away since `since` (time.monotonic())."""

    since: float
    told: dict[str, tuple[Address, Told]] = field(default_factory=dict)  # by the channel's name


class Minder:
    """Looks whether the database answers. For one thread."""

    def __init__(self, cache: Cache | None = None) -> None:
        self._cache = cache or Cache()
        self._outage: Outage | None = None
        self._refresh_at = 0.0
        self._is_mirrored = False

    def look(self, now: float | None = None) -> None:
        """One look, with what follows from it."""
        now = time.monotonic() if now is None else now
        try:
            self._back(now)
        except (psycopg2.Error, DatabaseError) as error:
            if self._outage is None:
                log.warning("database.away", error=str(error).strip())
            self._outage = self._outage or Outage(now)
            if now - self._outage.since >= settings.ENV["ALERT_DATABASE_SECONDS"]:
                self._tell(self._outage, now)

    def _back(self, now: float) -> None:
        """It answers: write what was said while it did not, and remember the channels. Raises if it does not."""
        with closing(db.connect("watch", STATEMENT_SECONDS)) as raw:
            with raw.cursor() as cursor:
                cursor.execute(_IS_READ_ONLY)
                if cursor.fetchone() != (False,):
                    raise psycopg2.OperationalError("it can be read, but not written")
            if now >= self._refresh_at:
                self._remember()
                self._refresh_at = now + REFRESH_SECONDS
            if self._outage:
                if self._outage.told:
                    write(raw, self._outage, now)
                log.warning("database.back", away_seconds=round(now - self._outage.since))
                self._outage = None

    def _remember(self) -> None:
        try:
            if not self._is_mirrored:
                environment.mirror()
                self._is_mirrored = True
            rows = Channel.objects.filter(enabled=True).order_by("pk")
            wanted = [row for row in rows if row.wants(DATABASE_AWAY, SEVERITY)]
            self._cache.keep([deliver.address_of(row) for row in wanted])
        finally:
            connection.close()

    def _tell(self, outage: Outage, now: float) -> None:
        """Trigger at every channel that has not accepted it yet and is due."""
        for address in self._cache.addresses:
            outage.told.setdefault(address.name, (address, Told()))
        due = [told for told in outage.told.values() if told[1].sent_at is None and told[1].next_at <= now]
        message = _message(datetime.now(UTC) - timedelta(seconds=now - outage.since))
        for (address, told), sent in zip(due, sending.say([(address, message) for address, _ in due]), strict=True):
            told.attempts += 1
            told.error = "" if sent.accepted else sent.answer
            told.sent_at = now if sent.accepted else None
            told.next_at = now + sending.delay_seconds(told.attempts, sent)
            log.warning("database.away_told", channel=address.name, accepted=sent.accepted, answer=sent.answer)


def write(raw: Connection, outage: Outage, now: float) -> None:
    """The incident and its notifications, as they were, and the resolves that are owed. Raises psycopg2.Error."""
    row = {
        "key": DATABASE_AWAY,
        "severity": SEVERITY,
        "summary": SUMMARY,
        "details": json.dumps(_details()),
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


def _message(opened_at: datetime) -> Message:
    return Message(
        action=TRIGGER,
        key=deliver.provider_key(DATABASE_AWAY),
        kind=DATABASE_AWAY,
        severity=SEVERITY,
        summary=SUMMARY,
        source=settings.ENV["INSTANCE_ID"],
        opened_at=opened_at,
        link=links.admin("alerts/incident/"),
        details=_details() | {"since": f"{opened_at:%Y-%m-%d %H:%M:%S} UTC"},
    )


def _details() -> dict[str, str]:
    return {
        "what": "PostgreSQL does not answer the alerts worker, or cannot be written; this was sent from memory.",
        "what_to_do": KINDS[DATABASE_AWAY].to_do,
    }
