"""DATABASE_URL as libpq reads it: also several hosts, of which the one that takes writes is wanted.

Must never import Django, or put a part of a URL into a message: it holds the password.
"""

from typing import Any

import psycopg2
from psycopg2.extensions import parse_dsn

SCHEMES = ("postgres://", "postgresql://")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def parameters(url: str) -> dict[str, Any]:
    """libpq's parameters; none for an empty URL. Raises ValueError saying what was expected.

    Of several hosts the first may be the standby, or become it: unless the URL says otherwise, only a server that can
    be written will do.
    """
    if not url:
        return {}
    try:
        found: dict[str, Any] = parse_dsn(url) if url.startswith(SCHEMES) else {}
    except psycopg2.Error:
        found = {}
    if not found or not all(port == "" or port.isdecimal() for port in found.get("port", "").split(",")):
        raise ValueError(f"expected a URL starting with {' or '.join(SCHEMES)}")
    if found.get("sslmode", "prefer") not in SSL_MODES:
        raise ValueError(f"sslmode: expected one of {', '.join(SSL_MODES)}")
    if "," in found.get("host", ""):
        found.setdefault("target_session_attrs", "read-write")
    return found
