"""What stacks that share a database must have in common."""

import base64
import functools
import secrets


@functools.cache
def _keys() -> dict[str, str]:
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return {"SECRETS_KEYS": key, "SECRET_KEY": secrets.token_urlsafe(48)}


def of_all(database: str, broker: str) -> dict[str, str]:
    """The environment of every one of them; the keys are the same for as long as the drills run."""
    return {"DATABASE_URL": database, "CELERY_BROKER_URL": broker, **_keys()}
