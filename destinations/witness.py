"""What a link tells of its destination's health, judged by the answers that it got.

Must never tell of failures that are their users' own.
"""

from destinations import health
from destinations.breaker import Streak, Verdict
from destinations.control import Control
from destinations.lease import Database
from destinations.sender import Sender
from destinations.settle import Settler


class Witness:
    """One link's. `seen`: the streak of failures and the rest as the database has it."""

    def __init__(
        self, database: Database, destination_id: int, settler: Settler, sender: Sender, seen: Control
    ) -> None:
        self._database = database
        self._destination_id = destination_id
        self._settler = settler
        self._noted = seen.streak
        self._sender, self._learned = sender, sender.allowance.learned

    @property
    def verdict(self) -> Verdict:
        """Whose fault the last failures are, as far as they tell."""
        return self._settler.streak.verdict()

    async def note_streak(self) -> None:
        """Keep the streak for the links to come. Raises psycopg2.Error."""
        if (streak := self._settler.streak.as_json()) != self._noted and self.verdict is Verdict.USER:
            self._noted = streak
            await self._database.run(
                health.note_streak, self._destination_id, Streak.stored(streak), self._settler.last_error
            )

    async def report(self) -> None:
        """Open the breaker or hold the destination, if the last failures say so. Raises psycopg2.Error.

        And how much it takes at once, for the next link.
        """
        settler = self._settler
        if (learned := self._sender.allowance.learned) != self._learned:
            await self._database.run(health.note_learned, self._destination_id, learned._asdict())
        if self.verdict is Verdict.OPEN:
            await self._database.run(
                health.open_breaker, self._destination_id, settler.streak, settler.last_error, settler.retry_after
            )
        elif self.verdict is Verdict.HOLD:
            await self._database.run(health.hold, self._destination_id, settler.last_error)
