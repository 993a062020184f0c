"""Notifications that are due: who sends one claims it first, so that of many who look each is sent by one.

A claim is a lease: what its holder never settled is due again later. What concerns the same key goes to a channel in
the order in which it happened. Must never hold a transaction while something is sent.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

LEASE_SECONDS = 60
AT_ONCE = 5  # to one channel

_CHANNELS = """
SELECT c.id FROM alerts_channel c WHERE c.enabled
AND EXISTS (SELECT FROM alerts_notification n WHERE n.channel_id = c.id AND n.next_attempt_at <= now()) ORDER BY c.id
"""

_CLAIM = """
WITH due AS (
    SELECT n.id FROM alerts_notification n JOIN alerts_incident i ON i.id = n.incident_id
    WHERE n.channel_id = %(channel)s AND n.next_attempt_at <= now() AND NOT EXISTS (
        SELECT FROM alerts_notification earlier JOIN alerts_incident its ON its.id = earlier.incident_id
        WHERE earlier.channel_id = n.channel_id AND its.key = i.key AND earlier.id < n.id
        AND earlier.next_attempt_at IS NOT NULL)
    AND EXISTS (SELECT FROM alerts_channel c WHERE c.id = n.channel_id AND c.enabled)
    ORDER BY n.next_attempt_at LIMIT %(most)s FOR UPDATE OF n SKIP LOCKED
), claimed AS (
    UPDATE alerts_notification n SET next_attempt_at = now() + make_interval(secs => %(lease)s), attempts = attempts + 1
    FROM due WHERE n.id = due.id RETURNING n.id, n.incident_id, n.channel_id, n.action, n.attempts
)
SELECT d.id, d.attempts, d.action, d.channel_id, i.id, i.key, i.kind, i.severity, i.summary, i.details, i.opened_at,
    i.resolved_at
FROM claimed d JOIN alerts_incident i ON i.id = d.incident_id
ORDER BY d.id
"""
_GIVE_UP = """
UPDATE alerts_notification n SET next_attempt_at = NULL, last_error = 'the channel was switched off'
FROM alerts_channel c WHERE c.id = n.channel_id AND NOT c.enabled AND n.next_attempt_at IS NOT NULL
"""
# Only by who holds the claim: attempts tell.
_ACCEPTED = """
UPDATE alerts_notification SET sent_at = now(), next_attempt_at = NULL, last_error = %(beside)s
WHERE id = %(id)s AND attempts = %(attempts)s AND sent_at IS NULL
"""
_REFUSED = """
UPDATE alerts_notification SET next_attempt_at = now() + make_interval(secs => %(delay)s), last_error = %(error)s
WHERE id = %(id)s AND attempts = %(attempts)s AND sent_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notification that this process is to send now."""

    id: int
    attempts: int  # this one included
    action: str
    channel_id: int
    incident_id: int
    key: str
    kind: str
    severity: str
    summary: str
    details: dict[str, Any]
    opened_at: datetime
    resolved_at: datetime | None


def channels(raw: Connection) -> list[int]:
    """To whom something is due. What is due to who was switched off is given up. Raises psycopg2.Error."""
    with raw.cursor() as cursor:
        cursor.execute(_GIVE_UP)
        cursor.execute(_CHANNELS)
        return [channel for (channel,) in cursor.fetchall()]


def claim(raw: Connection, channel: int) -> list[Claimed]:
    """Take what is due to a channel, so much of it as may be sent at once. Raises psycopg2.Error."""
    with raw.cursor() as cursor:
        cursor.execute(_CLAIM, {"channel": channel, "most": AT_ONCE, "lease": LEASE_SECONDS})
        return [Claimed(*row) for row in cursor.fetchall()]


def accepted(raw: Connection, claimed: Claimed, beside: str = "") -> bool:
    """It has arrived, `beside`: not at every address; False when the claim was somebody else's by then."""
    with raw.cursor() as cursor:
        cursor.execute(_ACCEPTED, {"id": claimed.id, "attempts": claimed.attempts, "beside": beside})
        return bool(cursor.rowcount)


def refused(raw: Connection, claimed: Claimed, error: str, delay_seconds: float) -> bool:
    """It has not: to be tried again after so long."""
    parameters = {"id": claimed.id, "attempts": claimed.attempts, "error": error, "delay": delay_seconds}
    with raw.cursor() as cursor:
        cursor.execute(_REFUSED, parameters)
        return bool(cursor.rowcount)
