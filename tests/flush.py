"""How the database is emptied after each test that committed: only what was written, and no permissions made anew.

Django would truncate every table, and make all content types and permissions again: longer than most tests take.
"""

from typing import Any

from django.core.management.commands import flush

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
    return [f"TRUNCATE {', '.join(written)} CASCADE"] if written else []
