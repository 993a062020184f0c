"""Raw psycopg2 connections for the two hot paths: the event log's writer and a link's reads and checkpoints.

Everything else uses the ORM. A connection belongs to one thread; autocommit, so no transaction outlives a statement.
"""

from typing import cast

import psycopg2
from django.db import connections
from psycopg2.extensions import connection as Connection  # noqa: N812


def connect(name: str, statement_timeout_seconds: float) -> Connection:
    """Open an autocommit connection to the default database (in tests: the test database).

    `name` shows in pg_stat_activity. Raises psycopg2.OperationalError when the database is away.
    """
    parameters = connections["default"].get_connection_params() | {"application_name": f"rudderproj {name}"}
    parameters.setdefault("tcp_user_timeout", str(int(statement_timeout_seconds * 1000)))
    options = f"{parameters.get('options', '')} -c statement_timeout={int(statement_timeout_seconds * 1000)}"
    raw = cast(Connection, psycopg2.connect(**{**parameters, "options": options}))
    raw.autocommit = True
    return raw
