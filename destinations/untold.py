"""What the links of a process leave behind when an error ends them, until the database has been told.

Otherwise others wait until it runs out: for a claim's lanes ten seconds, for the next probe a minute. Must never hold
what something may still be in flight for.
"""

from destinations import health, lanes
from destinations.health import Probe
from destinations.lease import Database


class Untold:
    """Of one process; told over its connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._claims: set[int] = set()  # tokens
        self._probes: set[Probe] = set()

    def __bool__(self) -> bool:
        return bool(self._claims or self._probes)

    def claim(self, token: int) -> None:
        """Nothing uses it any more."""
        self._claims.add(token)

    def probe(self, probe: Probe) -> None:
        """It told nothing about its destination: an error of ours is none of the destination's."""
        self._probes.add(probe)

    async def tell(self) -> None:
        """Let others have all of it. Raises psycopg2.Error: then it is still to be told."""
        if tokens := list(self._claims):
            await self._database.run(lanes.give_up, tokens)
            self._claims.difference_update(tokens)
        for probe in list(self._probes):
            await self._database.run(health.fail_probe, probe)
            self._probes.discard(probe)
