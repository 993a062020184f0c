"""Keeping and reading the last deliveries. Bounded in number and in size: a demo must not fill a disk."""

import json
import re

from django.http.request import HttpHeaders

from destinations.inbox.models import InboxDelivery
from destinations.schema import MASK

KEPT = 500
PRUNE_EVERY = 50
BODY_MOST_BYTES = 256 * 1024

_SECRET = re.compile(r"auth|cookie|key|password|secret|signature|token", re.IGNORECASE)


def keep(destination: str, headers: HttpHeaders, body: bytes) -> None:
    """Store one delivery; every so often drop the old ones."""
    shown = {name.lower(): MASK if _SECRET.search(name) else value for name, value in headers.items()}
    stored = InboxDelivery.objects.create(destination=destination, headers=shown, body=_as_json(body))
    if stored.pk % PRUNE_EVERY == 0:
        InboxDelivery.objects.filter(pk__lte=stored.pk - KEPT).delete()


def newest_as_json(after: int) -> str:
    """`{"deliveries": […]}`, newest first, only those with an id above `after`. Bodies are as they came."""
    rows = InboxDelivery.objects.filter(pk__gt=after).order_by("-pk")[:KEPT]
    return f'{{"deliveries": [{", ".join(map(_delivery, rows))}]}}'


def _delivery(row: InboxDelivery) -> str:
    received_at = row.received_at.isoformat().replace("+00:00", "Z")
    known = {"id": row.pk, "received_at": received_at, "destination": row.destination, "headers": row.headers}
    return f'{json.dumps(known)[:-1]}, "body": {row.body}}}'  # not parsed: numbers stay as exact as they came


def _as_json(body: bytes) -> str:
    """The body if it is JSON, as it came; else its text, or what is known of it, as JSON."""
    if len(body) > BODY_MOST_BYTES:
        return json.dumps({"too_large_to_show": len(body)})
    try:
        text = body.decode()
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return json.dumps(body.decode(errors="replace").replace("\0", "\ufffd"))
    return text


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
