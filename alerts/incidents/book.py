"""The book of incidents: opening, updating and resolving them, with the notifications that are owed for it.

Owns the writing of both tables but for what sending does. Every change is guarded in the database: however many report
the same thing at once, it opens once, and each channel is owed one trigger and one resolve. Must never send anything.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, transaction

from alerts.incidents import words
from alerts.notifications import bell

log = structlog.get_logger(__name__)

# Whoever updates an incident also owes it to channels that did not want it before: its severity may have risen. And
# to those that were switched off before they accepted it, and are on again.
_REPORT = """
WITH incident AS (
    INSERT INTO alerts_incident (key, kind, severity, summary, details, opened_at, updated_at)
    VALUES (%(key)s, %(kind)s, %(severity)s, %(summary)s, %(details)s::jsonb, now(), now())
    ON CONFLICT (key) WHERE resolved_at IS NULL DO UPDATE
    SET severity = excluded.severity, summary = excluded.summary, details = excluded.details, updated_at = now()
    RETURNING id, xmax = 0 AS is_new
), owed AS (
    INSERT INTO alerts_notification (incident_id, channel_id, action, created_at, next_attempt_at, attempts, last_error)
    SELECT incident.id, c.id, 'trigger', now(), now(), 0, ''
    FROM incident JOIN alerts_channel c ON c.enabled
        AND (c.severities = '[]' OR c.severities @> to_jsonb(%(severity)s::text))
        AND (c.kinds = '[]' OR c.kinds @> to_jsonb(%(kind)s::text))
    ON CONFLICT (incident_id, channel_id, action) DO UPDATE SET next_attempt_at = now(), last_error = ''
    WHERE alerts_notification.sent_at IS NULL AND alerts_notification.next_attempt_at IS NULL RETURNING id
)
SELECT is_new, (SELECT count(*) FROM owed) FROM incident
"""
_TOUCH = "UPDATE alerts_incident SET updated_at = now() WHERE key = %s AND resolved_at IS NULL"
# Most looks find nothing over: without a transaction.
_IS_OVER = "SELECT FROM alerts_incident WHERE resolved_at IS NULL AND {which} LIMIT 1"
_END = "UPDATE alerts_incident SET resolved_at = now() WHERE resolved_at IS NULL AND {which} RETURNING id, kind, key"
# A statement of its own, after the lock: it sees triggers that a report wrote meanwhile.
_OWE_RESOLVE = """
INSERT INTO alerts_notification (incident_id, channel_id, action, created_at, next_attempt_at, attempts, last_error)
SELECT incident_id, channel_id, 'resolve', now(), now(), 0, '' FROM alerts_notification
WHERE incident_id = ANY(%s) AND action = 'trigger' AND (sent_at IS NOT NULL OR next_attempt_at IS NOT NULL)
ON CONFLICT (incident_id, channel_id, action) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `details`: texts and numbers by name, see alerts.incidents.words for their order."""

    severity: str
    summary: str
    details: Mapping[str, Any] = field(default_factory=dict)


def report(*, kind: str, key: str, severity: str, summary: str, details: Mapping[str, Any]) -> bool:
    """Open the incident of this key, or update it if it is open; True if it was opened.

    `severity`: critical, error, warning or info; `summary`: one line, without secrets. Raises django.db.DatabaseError.
    """
    row = {
        "key": key,
        "kind": kind,
        "severity": severity,
        "summary": words.one_line(summary),
        "details": json.dumps(words.details(details)),
    }
    with connection.cursor() as cursor:
        cursor.execute(_REPORT, row)
        is_new, owed = cursor.fetchone()
    if is_new:
        log.warning("incident.opened", kind=kind, key=key, severity=severity, summary=row["summary"])
    if owed:
        transaction.on_commit(bell.ring)
    return bool(is_new)


def resolve(key: str) -> bool:
    """End the open incident of this key; False if there is none. Raises django.db.DatabaseError."""
    return bool(_end("key = %s", [key]))


def sync(kind: str, found: Mapping[str, Finding | None], clear_seconds: float | None = None) -> None:
    """Make the open incidents of a kind what a check found, by key; None keeps an open one as it is, and opens none.

    What is not found any more is resolved once it has been over for `clear_seconds` (None: ALERT_CLEAR_SECONDS), so
    that what comes and goes is one incident. Raises django.db.DatabaseError.
    """
    for key, finding in found.items():
        if finding is None:
            with connection.cursor() as cursor:
                cursor.execute(_TOUCH, [key])
        else:
            report(kind=kind, key=key, severity=finding.severity, summary=finding.summary, details=finding.details)
    seconds = settings.ENV["ALERT_CLEAR_SECONDS"] if clear_seconds is None else clear_seconds
    _end(
        "kind = %s AND NOT key = ANY(%s) AND updated_at <= now() - make_interval(secs => %s)",
        [kind, list(found), seconds],
    )


def _end(which: str, parameters: list[Any]) -> list[int]:
    """Resolve these; their ids."""
    with connection.cursor() as cursor:
        cursor.execute(_IS_OVER.format(which=which), parameters)
        if not cursor.rowcount:
            return []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_END.format(which=which), parameters)
        ended = cursor.fetchall()
        if ended:
            cursor.execute(_OWE_RESOLVE, [[row[0] for row in ended]])
            transaction.on_commit(bell.ring)
    for _, kind, key in ended:
        log.info("incident.resolved", kind=kind, key=key)
    return [row[0] for row in ended]
