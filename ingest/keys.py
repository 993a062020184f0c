"""Making write keys."""

import secrets
import string

_LETTERS = string.ascii_letters + string.digits
_LENGTH = 27  # as long as RudderStack's: 160 bits


def new_write_key() -> str:
    """A write key that nobody can guess, letters and digits only."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
