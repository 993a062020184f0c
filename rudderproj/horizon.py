"""Who holds the horizon: the oldest transaction of the cluster that writes, without whose end nothing is forwarded.

Must never end one by itself: it may be a backup, or somebody's work in another database of the cluster.
"""

import time
from dataclasses import dataclass

import structlog
from django.db import connection

log = structlog.get_logger(__name__)

LIMIT_SECONDS = 30.0  # a transaction of ours takes a fraction of a second

# When another user's transaction began is only shown to members of pg_read_all_stats; its xid is shown to everybody.
_OLDEST = """
SELECT xid, who, extract(epoch FROM clock_timestamp() - since)::float8 FROM (
    SELECT backend_xid AS xid, xact_start AS since, format('pid %s of %s: %s in %s, %s', pid, usename,
        coalesce(nullif(application_name, ''), 'a client'), datname, coalesce(state, 'state hidden')) AS who
    FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
    UNION ALL
    SELECT transaction, prepared, format('prepared transaction %s of %s in %s', gid, owner, database)
    FROM pg_prepared_xacts
) holders ORDER BY age(xid) DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Holder:
    """The transaction that holds the horizon, for how long, and in words whose it is."""

    xid: int
    age_seconds: float
    who: str


_seen: tuple[int, float] = (0, 0.0)  # the last one whose beginning was hidden, and since when this process knows it


def holder() -> Holder | None:
    """The oldest writing transaction, None when there is none. Raises django.db.DatabaseError."""
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST)
        row = cursor.fetchone()
    if row is None:
        return None
    xid, who, age_seconds = int(row[0]), row[1], row[2]
    return Holder(xid, max(0.0, _known_for(xid) if age_seconds is None else age_seconds), who)


def warn_if_held() -> None:
    """Write a line when the horizon has been held for too long. Raises django.db.DatabaseError."""
    found = holder()
    if found and found.age_seconds > LIMIT_SECONDS:
        log.warning("horizon.held", age_seconds=round(found.age_seconds), who=found.who)


def _known_for(xid: int) -> float:
    global _seen
    if _seen[0] != xid:
        _seen = (xid, time.monotonic())
    return time.monotonic() - _seen[1]
