"""What a crash came of, as forwarding finds out: explained by an event or a destination, or by nothing it can tell.

A crash that is explained never counts; one that is suspected counts later. Must never touch what explained one already.
"""

from collections.abc import Sequence

from psycopg2.extensions import connection as Connection  # noqa: N812

_EXPLAIN = "UPDATE alerts_crash SET explained = %s WHERE id = ANY(%s::uuid[]) AND explained = ''"
_UNSUSPECT = """
UPDATE alerts_crash SET suspected_until = now()
WHERE id = ANY(%s::uuid[]) AND explained = '' AND suspected_until > now()
"""


def explain(raw: Connection, ids: Sequence[str], by: str) -> None:
    """These crashes came of that: they count no more."""
    with raw.cursor() as cursor:
        cursor.execute(_EXPLAIN, [by, list(ids)])


def unsuspect(raw: Connection, ids: Sequence[str]) -> None:
    """None of their events can be blamed: they count from now on."""
    with raw.cursor() as cursor:
        cursor.execute(_UNSUSPECT, [list(ids)])
