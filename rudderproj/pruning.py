"""Deleting rows by age: few at a time, each batch its own statement, oldest first by an index.

Must never run a long statement: its transaction would hold the horizon, and with it all forwarding.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2.extensions import connection as Connection  # noqa: N812

from rudderproj.upkeep import Chore

BATCH_ROWS = 1000
REST_SECONDS = 60.0  # when nothing was old enough
RUN_SECONDS = 3.0  # what is left goes with the next upkeep
SHOWN_MOST = 100_000  # rows counted for people


@dataclass(frozen=True, slots=True)
class Pruning:
    """The rows of `table` whose `column` is older than `seconds`, if `condition` (SQL) holds."""

    table: str
    column: str
    seconds: float
    condition: str = "true"

    def chore(self, name: str) -> Chore:
        """The chore that deletes them."""
        return Chore(name, self.prune, self.look, REST_SECONDS)

    def prune(self, raw: Connection) -> int:
        """Delete what is old, for a few seconds at most; how many rows. Rows that somebody works on stay for now."""
        statement = (
            f"DELETE FROM {self.table} WHERE ctid = ANY(ARRAY("
            f"SELECT ctid FROM {self.table} WHERE {self._old} ORDER BY {self.column} LIMIT %s FOR UPDATE SKIP LOCKED))"
        )
        total, ends_at = 0, time.monotonic() + RUN_SECONDS
        with raw.cursor() as cursor:
            while True:
                cursor.execute(statement, [self.seconds, BATCH_ROWS])
                total += cursor.rowcount
                if cursor.rowcount < BATCH_ROWS or time.monotonic() > ends_at:
                    return total

    def look(self, raw: Connection) -> Sequence[str]:
        """How many rows are to go."""
        with raw.cursor() as cursor:
            counted = f"SELECT count(*) FROM (SELECT 1 FROM {self.table} WHERE {self._old} LIMIT %s) old"
            cursor.execute(counted, [self.seconds, SHOWN_MOST])
            (rows,) = cursor.fetchone() or (0,)
        return [f"{rows}{' or more' if rows == SHOWN_MOST else ''} to be deleted"] if rows else []

    @property
    def _old(self) -> str:
        return f"{self.column} < now() - make_interval(secs => %s) AND {self.condition}"


def days(number: int) -> float:
    """Seconds of so many days."""
    return number * 86400.0
