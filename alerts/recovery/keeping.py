"""How long crash reports are kept: so many, for so long. Must never delete one that still counts.

Those that changed the mode are kept for their time whatever their number: a loop of hundreds must not push out the
five that tell how it began.
"""

from collections.abc import Sequence

from django.conf import settings
from psycopg2.extensions import connection as Connection  # noqa: N812

from rudderproj.pruning import days
from rudderproj.upkeep import Chore

_OLD = """
(at < now() - make_interval(secs => %(age)s)
    OR id NOT IN (SELECT id FROM alerts_crash ORDER BY at DESC, id DESC LIMIT %(kept)s)
    AND NOT EXISTS (SELECT FROM alerts_modechange m WHERE m.crashes ? alerts_crash.id::text))
AND coalesce(restarted_at, at) < now() - make_interval(secs => %(counting)s)
AND coalesce(suspected_until, at) < now()
"""


def chore() -> Chore:
    """The chore that deletes the others."""
    return Chore("crash_reports_pruned", prune, look)


def prune(raw: Connection) -> int:
    """Delete what is too old or too many; how many."""
    with raw.cursor() as cursor:
        cursor.execute(f"DELETE FROM alerts_crash WHERE {_OLD}", _limits())
        return int(cursor.rowcount)


def look(raw: Connection) -> Sequence[str]:
    """How many are to go."""
    with raw.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM alerts_crash WHERE {_OLD}", _limits())
        (rows,) = cursor.fetchone() or (0,)
    return [f"{rows} to be deleted"] if rows else []


def _limits() -> dict[str, float]:
    env = settings.ENV
    return {
        "age": days(env["RETENTION_CRASH_DAYS"]),
        "kept": env["CRASH_REPORTS_KEPT"],
        "counting": max(env["RECOVERY_CRASH_WINDOW_SECONDS"], env["RECOVERY_CRASH_LONG_WINDOW_SECONDS"]),
    }
