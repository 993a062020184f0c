"""The database away: told from what is remembered of the channels, under one key; the rows follow when it is back.

One that can be read and not written is away too. Must never take a database that is slow for one that is away before
ALERT_DATABASE_SECONDS have passed, or lose what was said meanwhile: it is written as it was.
"""

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg2
import structlog
from django.conf import settings
from django.db import DatabaseError, connection

from alerts import links
from alerts.channels import environment, sending
from alerts.channels.message import TRIGGER, Message
from alerts.incidents.kinds import DATABASE_AWAY, KINDS
from alerts.models import Channel
from alerts.notifications import deliver
from alerts.watch import outage
from alerts.watch.cache import Cache
from alerts.watch.outage import SEVERITY, SUMMARY, Outage, Told
from rudderproj import db

log = structlog.get_logger(__name__)

STATEMENT_SECONDS = 5.0
REFRESH_SECONDS = 30.0

# A standby says so too.
_IS_READ_ONLY = "SELECT current_setting('transaction_read_only')::boolean"


class Minder:
    """Looks whether the database answers. For one thread."""

    def __init__(self, cache: Cache | None = None) -> None:
        self._cache = cache or Cache()
        self._outage: Outage | None = None
        self._is_started = False
        self._refresh_at = 0.0
        self._is_mirrored = False

    def look(self, now: float | None = None) -> None:
        """One look, with what follows from it."""
        now = time.monotonic() if now is None else now
        if not self._is_started:
            self._outage, self._is_started = outage.kept(now), True
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
                    outage.write(raw, self._outage, _details(), now)
                    outage.forget()
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

    def _tell(self, lasting: Outage, now: float) -> None:
        """Trigger at every channel that has not accepted it yet and is due."""
        for address in self._cache.addresses:
            lasting.told.setdefault(address.name, (address, Told()))
        due = [told for told in lasting.told.values() if told[1].sent_at is None and told[1].next_at <= now]
        if not due:
            return
        message = _message(datetime.now(UTC) - timedelta(seconds=now - lasting.since))
        for (address, told), sent in zip(due, sending.say([(address, message) for address, _ in due]), strict=True):
            told.attempts += 1
            told.error = "" if sent.accepted else sent.answer
            told.sent_at = now if sent.accepted else None
            told.next_at = now + sending.delay_seconds(told.attempts, sent)
            log.warning("database.away_told", channel=address.name, accepted=sent.accepted, answer=sent.answer)
        lasting.keep(now)


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
