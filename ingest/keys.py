"""Write keys: making them, and changing over to another while the old one still works."""

import secrets
import string
from datetime import timedelta

import structlog
from django.db.models import F, Q
from django.db.models.functions import Now

from ingest.models import Source

log = structlog.get_logger(__name__)

_LETTERS = string.ascii_letters + string.digits
_LENGTH = 27  # as long as RudderStack's: 160 bits


def new_write_key() -> str:
    """A write key that nobody can guess, letters and digits only."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))


def rotate(source_id: int, old_key: str, valid_for: timedelta, actor: str) -> str | None:
    """Give a source a new key, which is returned; `old_key` stays valid for a while. None: it is no longer the key.

    A key that was left over from an earlier change ends now.
    """
    key = new_write_key()
    changed = Source.objects.filter(pk=source_id, write_key=old_key).update(
        previous_write_key=F("write_key"), previous_key_valid_until=Now() + valid_for, write_key=key
    )
    if not changed:
        return None
    log.info("write_key.rotated", source_id=source_id, actor=actor, valid_for_seconds=valid_for.total_seconds())
    return key


def end_previous(source_id: int, actor: str) -> bool:
    """End the previous key now; False when there is none."""
    rows = Source.objects.filter(~Q(previous_write_key=None), pk=source_id)
    changed = rows.update(previous_write_key=None, previous_key_valid_until=None)
    if changed:
        log.info("write_key.ended", source_id=source_id, actor=actor)
    return bool(changed)
