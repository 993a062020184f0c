"""What the links of a process leave behind when an error ends them, until the database has been told.

Otherwise others wait until it runs out: for a claim's lanes ten seconds, for the next probe a minute. Must never hold
what something may still be in flight for.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

from destinations import health, lanes
from destinations.control import Control
from destinations.lease import Database, LeaseLost


class Untold:
    """Of one process; told over its connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._claims: set[int] = set()  # tokens
        self._probes: dict[int, int] = {}  # of these destinations, and how many had failed before

    def __bool__(self) -> bool:
        return bool(self._claims or self._probes)

    def claim(self, token: int) -> None:
        """Nothing uses it any more."""
        self._claims.add(token)

    @contextmanager
    def probing(self, destination_id: int, seen: Control) -> Iterator[None]:
        """Begin and end a probe within the block, if its breaker wants one: an error of ours is none of the
        destination's, and another may probe at once.
        """
        try:
            yield
        except (LeaseLost, psycopg2.Error):
            if seen.breaker != "closed":
                self._probes[destination_id] = seen.probes_failed
            raise

    async def tell(self) -> None:
        """Let others have all of it. Raises psycopg2.Error: then it is still to be told."""
        if tokens := list(self._claims):
            await self._database.run(lanes.give_up, tokens)
            self._claims.difference_update(tokens)
        for destination_id, failed in list(self._probes.items()):
            await self._database.run(health.fail_probe, destination_id, failed, "")
            self._probes.pop(destination_id, None)
