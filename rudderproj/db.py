"""Raw psycopg2 connections for the two hot paths: the event log's writer and a link's reads and checkpoints.

Everything else uses the ORM. A connection belongs to one thread; autocommit, so no transaction outlives a statement.
"""

from typing import cast

import psycopg2
from django.db import connections
from psycopg2.extensions import connection as Connection  # noqa: N812

# A day's partition has no statistics in its first hours, and a plan that scans or sorts it takes half a minute instead
# of a millisecond. These connections only ever want some rows of an index, in its order.
_SWITCHED_OFF = ("enable_seqscan", "enable_bitmapscan", "enable_sort", "jit")
FROM_INDEXES = " ".join(f"-c {name}=off" for name in _SWITCHED_OFF)

# The same for one transaction of an ORM connection.
SET_LOCAL_FROM_INDEXES = "; ".join(f"SET LOCAL {name} = off" for name in _SWITCHED_OFF)


def connect(name: str, statement_timeout_seconds: float) -> Connection:
    """Open an autocommit connection to the default database (in tests: the test database).

    `name` shows in pg_stat_activity. Raises psycopg2.OperationalError when the database is away.
    """
    milliseconds = int(statement_timeout_seconds * 1000)
    parameters = connections["default"].get_connection_params()
    parameters |= {"application_name": f"rudderproj {name}", "tcp_user_timeout": str(milliseconds)}
    timeout = f"-c statement_timeout={milliseconds}"
    options = f"{parameters.get('options', '')} {timeout} {FROM_INDEXES}"
    raw = cast(Connection, psycopg2.connect(**{**parameters, "options": options}))
    raw.autocommit = True
    return raw
