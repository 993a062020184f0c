"""How often a link looks for more while nothing comes, and for how long.

A link that is told of news by the broker looks seldom and stays long: an event costs less than a link's start. One that
is not, or shares its process with as many others as that may have, is the other way round. Must never delay what was
heard of.
"""

import asyncio
import random
from collections.abc import Callable

from destinations.lease import clock

CROWD_LINKS = 4  # of one process that look and write as often as one; of 16 each does a quarter as often
POLL_SECONDS = 0.01
POLL_GROWTH = 0.15  # of the time without news: a trickle is not polled for as if it were a flood
# For a link that is alone in its process. Of several there one looks in this time, or their connection is never free.
POLL_MOST_SECONDS = 0.05
LINGER_SECONDS = 0.25  # how long a link without work looks for more
TOLD_SECONDS = 1.0  # what news name is looked at at once; this is for news that were lost
TOLD_GROWTH = 1.0  # of the time since news that nothing was found of yet: what was stored is not to be seen at once
FEW = 8  # users who are sent to: a trickle, which needs no look before it is told of
TOLD_LINGER_SECONDS = 1.0
STAY_SECONDS = 240.0  # or half as long, by chance: links that began together must not begin anew together


class Outlook:
    """One link's. `links`: how many its process runs now; `most_links`: how many it may run at most.

    `is_told`: whether the process hears of events; `nobody_waits`: whether there was no ring that it might have taken.
    """

    def __init__(
        self,
        links: Callable[[], int] = lambda: 1,
        most_links: int = 1,
        is_told: Callable[[], bool] = lambda: False,
        nobody_waits: Callable[[], bool] = lambda: False,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.links = links
        self._most_links = most_links
        self._is_told = is_told
        self._nobody_waits = nobody_waits
        self._stay_seconds = STAY_SECONDS * (1 - chance() / 2)
        self._wake = asyncio.Event()
        self._gathers = False
        self._news_at = clock()
        self._is_owed = True  # news came, the ring that began it to start with, and nothing was found since
        self._idle_since: float | None = None
        self.found_work = False  # at any time so far

    @property
    def crowd(self) -> float:
        """How many times as long this link waits, because it shares the process's connection with others."""
        return max(1.0, self.links() / CROWD_LINKS)

    @property
    def all_seconds(self) -> float:
        """How often a link that is told looks into all its lanes, and not only into those that it was told of."""
        return TOLD_SECONDS if self._is_told() else 0.0

    def note_answer(self) -> None:
        """Something was sent: its user may have more."""
        self._news_at = clock()

    def note_found(self) -> None:
        """Something was read, or lanes with work were taken."""
        self._news_at, self._is_owed = clock(), False

    def wake(self) -> None:
        """There may be something: look now, and often until it is found."""
        self._news_at, self._is_owed = clock(), True
        if not self._gathers:
            self.cut_short()

    def cut_short(self) -> None:
        """End the pause that is made now, or else the next one."""
        self._wake.set()

    async def pause(self, seconds: float = POLL_SECONDS) -> None:
        """Wait a little at most: what is read meanwhile is read together."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def gather(self) -> None:
        """Wait a little where something was found just now: news end no such pause, or each of a flood costs a look."""
        self._gathers = True
        await self.pause(POLL_SECONDS)
        self._gathers = False

    async def look_out(self, sending: int, within_seconds: float | None) -> None:
        """Wait until it is time to look again. `sending`: to how many users; something else is due `within_seconds`."""
        quiet = clock() - self._news_at
        if self._is_told() and sending <= FEW:
            most = self.all_seconds if within_seconds is None else within_seconds
            seconds = min(most, POLL_SECONDS + quiet * TOLD_GROWTH) if self._is_owed else most
        else:
            seconds = min(POLL_MOST_SECONDS * self.links(), POLL_SECONDS + quiet * POLL_GROWTH)
        await self.pause(seconds)

    def overtime(self, sending: int) -> float:
        """Seconds for which a link may go on once its time is up: for a trickle, while its end would help nobody."""
        return self._stay_seconds if sending <= FEW and self._nobody_waits() else 0.0

    def is_enough(self, has_work: bool) -> bool:
        """Whether this link has looked for more in vain for long enough."""
        if has_work:
            self._idle_since, self.found_work = None, True
            return False
        if self._idle_since is None:
            self._idle_since = clock()
        return clock() - self._idle_since >= self._linger_seconds()

    def _linger_seconds(self) -> float:
        """None for a ring that was in vain, nor while others wait for this process."""
        if not self.found_work or self.links() >= self._most_links:
            return 0.0
        return TOLD_LINGER_SECONDS if self._is_told() else LINGER_SECONDS
