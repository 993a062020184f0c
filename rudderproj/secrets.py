"""Encryption of what the database keeps secret: a ring of keys from SECRETS_KEYS, of which the first encrypts.

A stored text is `enc1:<key id>:<Fernet token>`; the id tells which key it needs without trying them. Must never put a
key or a plain text into an error, and never takes a text that is not encrypted for a plain one.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

SCHEME = "enc1"


class SecretUnreadable(Exception):
    """A stored text cannot be decrypted, or nothing can be encrypted; the message says why."""


def key_id(key: str) -> str:
    """What a key is called in stored texts and messages; says nothing about it."""
    return hashlib.sha256(f"rudderproj:{key}".encode()).hexdigest()[:8]


class KeyRing:
    """Keys in the order of SECRETS_KEYS; immutable."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = {key_id(key): Fernet(key) for key in keys}
        self.first = next(iter(self._keys), "")

    @property
    def prefix(self) -> str:
        """What everything encrypted with the first key begins with."""
        return f"{SCHEME}:{self.first}:"

    def encrypt(self, text: str) -> str:
        """Raises SecretUnreadable when there is no key."""
        if not self.first:
            raise SecretUnreadable("SECRETS_KEYS is not set")
        return self.prefix + self._keys[self.first].encrypt(text.encode()).decode()

    def decrypt(self, stored: str) -> str:
        """Raises SecretUnreadable."""
        scheme, _, rest = stored.partition(":")
        name, _, token = rest.partition(":")
        if scheme != SCHEME:
            raise SecretUnreadable("it is not encrypted")
        if name not in self._keys:
            raise SecretUnreadable(f"SECRETS_KEYS does not contain the key {name[:8]!r} it was encrypted with")
        try:
            return self._keys[name].decrypt(token.encode()).decode()
        except InvalidToken:
            raise SecretUnreadable(f"it was damaged: key {name!r} does not fit") from None


@lru_cache(maxsize=8)
def _ring(keys: tuple[str, ...]) -> KeyRing:
    return KeyRing(keys)


def ring() -> KeyRing:
    """The ring of this process."""
    return _ring(tuple(settings.ENV["SECRETS_KEYS"]))


@lru_cache(maxsize=4096)
def _decrypted(keys: KeyRing, stored: str) -> str:
    return keys.decrypt(stored)


def decrypt(stored: str) -> str:
    """The plain text, remembered: links read the same configuration several times a second. Raises SecretUnreadable."""
    return _decrypted(ring(), stored)
