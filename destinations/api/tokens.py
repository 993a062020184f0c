"""Making, finding and revoking tokens of the API.

A secret has 256 random bits, so a plain SHA-256 of it is enough: there is nothing to guess, and a lookup by the hash,
which no caller can steer, tells nothing by the time it takes. Must never store, log or show a secret again.
"""

import hashlib
import re
import secrets
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from destinations.api.models import ApiToken

START = "rp_"
NAME_MOST = 100
SHOWN = 10  # characters of a secret that stay visible
USED_EVERY = timedelta(minutes=1)  # how exact last_used_at is: a write a minute, not one a request
_SECRET = re.compile(rf"{START}[\w-]{{43}}", re.ASCII)


class TokenRefused(ValueError):
    """A token cannot be made like that; the message says why."""


def problem(name: str, scopes: Collection[str], expires_at: datetime | None) -> str:
    """Why there can be no such token; empty when there can."""
    known = ", ".join(ApiToken.Scope.values)
    if unknown := set(scopes) - set(ApiToken.Scope.values):
        return f"unknown scope {', '.join(sorted(unknown))}, expected some of {known}"
    if not scopes:
        return f"expected a scope, some of {known}"
    if not name or len(name) > NAME_MOST or name != name.strip() or not name.isprintable():
        return f"expected a name of 1 to {NAME_MOST} printable characters, without spaces around it"
    if expires_at is not None and expires_at <= timezone.now():
        return "it would have expired already"
    is_taken = ApiToken.objects.filter(name=name, revoked_at=None).exists()
    return _taken(name) if is_taken else ""


def create(name: str, scopes: Iterable[str], created_by: str, expires_at: datetime | None) -> tuple[ApiToken, str]:
    """A new token and its secret, which nobody can see again. Raises TokenRefused."""
    wanted = list(dict.fromkeys(scopes))
    if refusal := problem(name, wanted, expires_at):
        raise TokenRefused(refusal)
    secret = START + secrets.token_urlsafe(32)
    token = ApiToken(
        name=name,
        prefix=secret[:SHOWN],
        digest=_digest(secret),
        scopes=wanted,
        created_by=created_by,
        expires_at=expires_at,
    )
    try:
        with transaction.atomic():
            token.save(force_insert=True)
    except IntegrityError:
        raise TokenRefused(_taken(name)) from None
    return token, secret


def find(secret: str) -> ApiToken | None:
    """The token in force that has this secret; notes that it was used."""
    if not _SECRET.fullmatch(secret):
        return None
    now = timezone.now()
    in_force = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))
    token = ApiToken.objects.filter(in_force, digest=_digest(secret)).first()
    if token and (token.last_used_at is None or token.last_used_at <= now - USED_EVERY):
        unused = Q(last_used_at=None) | Q(last_used_at__lte=now - USED_EVERY)
        ApiToken.objects.filter(unused, pk=token.pk).update(last_used_at=now)
    return token


def revoke(token_id: int) -> bool:
    """End a token at once; False when it was revoked before or is not there."""
    return bool(ApiToken.objects.filter(pk=token_id, revoked_at=None).update(revoked_at=timezone.now()))


def _taken(name: str) -> str:
    return f"a token named {name!r} is in force already"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
