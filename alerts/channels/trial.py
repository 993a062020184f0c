"""A test: a notification like any other, sent at once because an operator asked, and resolved at once. No rows."""

import uuid
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from alerts import links
from alerts.channels import sending
from alerts.channels.message import RESOLVE, TRIGGER, Message, Sent
from alerts.channels.sending import Address
from alerts.incidents.kinds import KINDS, TEST


def send(address: Address, actor: str) -> list[tuple[str, Sent]]:
    """What came of the trigger, and of the resolve if that was accepted."""
    key = f"{settings.ENV['INSTANCE_ID']}:{TEST}:{uuid.uuid4()}"
    found = []
    for action in (TRIGGER, RESOLVE):
        (sent,) = sending.say([(address, _message(action, key, address.channel_id, actor))])
        found.append((action, sent))
        if not sent.accepted:
            break
    return found


def _message(action: str, key: str, channel_id: int, actor: str) -> Message:
    details: dict[str, Any] = {
        "what": "Nothing is wrong: this tries whether alerts arrive.",
        "by": actor,
        "what_to_do": KINDS[TEST].to_do,
    }
    return Message(
        action=action,
        key=key,
        kind=TEST,
        severity="info",
        summary="Test: nothing is wrong",
        source=settings.ENV["INSTANCE_ID"],
        opened_at=datetime.now(UTC),
        link=links.admin(f"alerts/channel/{channel_id}/change/"),
        details=details if action == TRIGGER else {},
    )
