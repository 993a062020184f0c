"""Sending what is due: claim, say, note what came of it. No connection is held while a provider is waited for."""

from concurrent.futures import ThreadPoolExecutor
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
    """Send everything that is due now, to all channels side by side, and wait for them; how many were tried.

    Raises psycopg2.Error or django.db.DatabaseError.
    """
    with closing(db.connect("notifications", STATEMENT_SECONDS)) as raw:
        channels = owed.channels(raw)
    with ThreadPoolExecutor(len(channels) or 1) as pool:
        return sum(pool.map(send_to, channels))


def send_to(channel: int) -> int:
    """Send everything that is due to a channel; how many were tried. Raises as send_due."""
    tried = 0
    while claimed := _claim(channel):
        tried += len(claimed)
        row = _channel(channel)
        if row is None:
            break
        address = address_of(row)
        sent = sending.say([(address, message_of(one)) for one in claimed])
        with closing(db.connect("notifications", STATEMENT_SECONDS)) as raw:
            for one, outcome in zip(claimed, sent, strict=True):
                _settle(raw, one, address, outcome)
    return tried


def _claim(channel: int) -> list[Claimed]:
    with closing(db.connect("notifications", STATEMENT_SECONDS)) as raw:
        return owed.claim(raw, channel)


def _channel(channel: int) -> Channel | None:
    try:
        return Channel.objects.filter(pk=channel).first()
    finally:
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
