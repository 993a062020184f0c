"""Whether the log was written in this database cluster: order and cursors are made of its transaction ids.

A dump restored into another cluster brings ids that lie ahead: what is accepted now would stand before cursors that
have passed it, and be lost. Must be asked on every new connection that appends or forwards, before anything else.
"""

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from rudderproj import db

REASON = "the event log comes from another cluster: run manage.py rebase"


class ForeignLogError(psycopg2.OperationalError):
    """The log comes from another cluster: nothing may be appended or forwarded. To callers, a database that is away."""


def doubt(raw: Connection) -> str:
    """Why nothing may be appended to this log; empty if it is at home. Raises psycopg2.Error."""
    with raw.cursor() as cursor:
        cursor.execute("SELECT ingest_log_is_foreign()")
        row = cursor.fetchone()
    return REASON if row is None or row[0] else ""


def connect(name: str, statement_timeout_seconds: float) -> Connection:
    """db.connect, to a log that is at home. Raises ForeignLogError, or psycopg2.Error when the database is away."""
    raw = db.connect(name, statement_timeout_seconds)
    try:
        if reason := doubt(raw):
            raise ForeignLogError(reason)
    except psycopg2.Error:
        raw.close()
        raise
    return raw
