"""How the database is emptied after each test that committed: only what was written, and no permissions made anew.

Django would truncate every table, and make all content types and permissions again: longer than most tests take. Days
that a test added to the log go, and days that it took off come back: no test finds what another one left.
"""

from datetime import timedelta
from typing import Any

from django.core.management.commands import flush
from psycopg2.extensions import connection as Connection  # noqa: N812

from ingest import partitions

# Made by migrate, read by tests of permissions, and written by none.
KEPT = {"django_content_type", "auth_permission"}


def install() -> None:
    """Have Django's `flush` do it this way, in this process."""
    own: dict[str, Any] = vars(flush)
    own |= {"sql_flush": _truncate_written, "emit_post_migrate_signal": lambda *_args, **_options: None}


def _truncate_written(_style: Any, connection: Any, **_: Any) -> list[str]:
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    quoted = [connection.ops.quote_name(table) for table in tables if table not in KEPT]
    looks = [f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in quoted]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(looks))
        written = [row[0] for row in cursor.fetchall()]
    truncated = [f"TRUNCATE {', '.join(written)} CASCADE"] if written else []
    return truncated + usual_partitions(connection.connection)


def usual_partitions(raw: Connection) -> list[str]:
    """What gives the log the partitions back that it always has, from yesterday on, without a note."""
    yesterday = partitions.today(raw) - timedelta(days=1)
    statements: list[str] = []
    for table in partitions.tables(raw):
        if table.is_pending:
            statements.append(f"ALTER TABLE ingest_event DETACH PARTITION {table.name} FINALIZE")
        if table.day < yesterday or not table.is_attached or table.is_pending:
            statements.append(f"DROP TABLE {table.name}")
        elif table.note:
            statements.append(f"COMMENT ON TABLE {table.name} IS NULL")
    days = f"generate_series(-1, {partitions.DAYS_AHEAD}) ahead"
    return [*statements, f"SELECT ingest_event_partition((now() AT TIME ZONE 'UTC')::date + ahead) FROM {days}"]
