"""Destinations held because this deployment's keys do not fit their configuration: free again once they do.

Must never free one that is held for another reason: that is an operator's to decide.
"""

import structlog
from psycopg2.extensions import connection as Connection  # noqa: N812

from destinations.control import UNREADABLE
from rudderproj import secrets
from rudderproj.prepared import Prepared

log = structlog.get_logger(__name__)

_HELD = Prepared("""
SELECT d.id, d.name, d.config FROM destinations_health h JOIN destinations_destination d ON d.id = h.destination_id
WHERE h.state = 'held' AND starts_with(h.last_error, %(reason)s::text)
""")
_RELEASE = """
UPDATE destinations_health SET state = 'ok' WHERE destination_id = %s AND state = 'held' AND starts_with(last_error, %s)
"""


def release(raw: Connection) -> None:
    """Free those whose configuration this process can read. Raises psycopg2.Error."""
    with raw.cursor() as cursor:
        _HELD.execute(cursor, {"reason": UNREADABLE})
        for destination_id, name, stored in cursor.fetchall():
            if _is_readable(stored):
                cursor.execute(_RELEASE, [destination_id, UNREADABLE])
                log.info("destination.released", destination=name)


def _is_readable(stored: str) -> bool:
    try:
        secrets.decrypt(stored)
    except secrets.SecretUnreadable:
        return False
    return True
