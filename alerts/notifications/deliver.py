"""Sending what is due: claim, say, note what came of it. No connection is held while a provider is waited for."""

from contextlib import closing

import structlog
from django.conf import settings
from django.db import connection
from psycopg2.extensions import connection as Connection  # noqa: N812

from alerts import links
from alerts.channels import sending
from alerts.channels.message import TRIGGER, Message, Sent
from alerts.channels.sending import Address
from alerts.models import Channel
from alerts.notifications import owed
from alerts.notifications.owed import Claimed
from rudderproj import db, metrics
from rudderproj.secrets_field import reason_unreadable

log = structlog.get_logger(__name__)

STATEMENT_SECONDS = 10.0


def send_due() -> int:
    """Send everything that is due now; how many were tried. Raises psycopg2.Error or django.db.DatabaseError."""
    tried = 0
    while claimed := _claim():
        tried += len(claimed)
        addresses = addresses_of({one.channel_id for one in claimed})
        known = [(one, addresses[one.channel_id]) for one in claimed if one.channel_id in addresses]
        sent = sending.say([(address, message_of(one)) for one, address in known])
        with closing(db.connect("notifications", STATEMENT_SECONDS)) as raw:
            for (one, address), outcome in zip(known, sent, strict=True):
                _settle(raw, one, address, outcome)
    return tried


def _claim() -> list[Claimed]:
    with closing(db.connect("notifications", STATEMENT_SECONDS)) as raw:
        return owed.claim(raw)


def addresses_of(channel_ids: set[int] | None = None) -> dict[int, Address]:
    """Where these channels' notifications go (None: all that are enabled), by id. Raises django.db.DatabaseError."""
    rows = Channel.objects.filter(enabled=True) if channel_ids is None else Channel.objects.filter(pk__in=channel_ids)
    try:
        return {row.pk: address_of(row) for row in rows}
    finally:
        if not connection.in_atomic_block:
            connection.close()  # a worker's main process forks: nothing stays open


def address_of(row: Channel) -> Address:
    """Where it is."""
    return Address(row.pk, row.name, row.provider, row.config, reason_unreadable(row.config))


def message_of(one: Claimed) -> Message:
    """What to say."""
    return Message(
        action=one.action,
        key=provider_key(one.key),
        kind=one.kind,
        severity=one.severity,
        summary=one.summary,
        source=settings.ENV["INSTANCE_ID"],
        opened_at=one.opened_at,
        link=links.admin(f"alerts/incident/{one.incident_id}/change/"),
        details=one.details if one.action == TRIGGER else {},
    )


def provider_key(key: str) -> str:
    """What an incident is called at providers, where other deployments may alert too."""
    return f"{settings.ENV['INSTANCE_ID']}:{key}"


def _settle(raw: Connection, one: Claimed, address: Address, sent: Sent) -> None:
    named = {"incident": one.key, "action": one.action, "channel": address.name, "attempts": one.attempts}
    outcome = "accepted" if sent.accepted else "refused" if sent.is_final else "retry"
    metrics.NOTIFICATION_ATTEMPTS.add(1, address.provider, outcome)
    if sent.accepted:
        owed.accepted(raw, one, sent.beside)
        log.info("notification.sent", **named, **({"beside": sent.beside} if sent.beside else {}))
    else:
        delay = sending.delay_seconds(one.attempts, sent)
        owed.refused(raw, one, sent.answer, delay)
        log.warning("notification.not_accepted", **named, answer=sent.answer, again_in_seconds=round(delay))
