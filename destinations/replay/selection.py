"""What a replay is to send: as asked for, checked, and as a link applies it to an event. No database.

What a connection was switched off for, and what was accepted before it was made, can be replayed: it is asked for. The
destination's event filter and the event's `integrations` hold as they are now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from destinations.models import Replay
from destinations.reader import Owed
from destinations.selection import Wanted, refused

UNSELECTED = "unselected"  # read, but not what was asked for
MOST_PICKS = 1000  # events chosen one by one


class BadSelection(Exception):
    """What was asked for cannot be: one line says why."""


class NothingToReplay(Exception):
    """Nothing there is what was asked for."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events of a destination. `message_ids` or `delivery_ids` choose one by one, the latter dead letters."""

    destination_id: int
    origin: str = Replay.Origin.LOG
    source_id: int | None = None  # None: every source connected
    since: datetime | None = None  # accepted since; of dead letters: aborted since
    until: datetime | None = None  # before
    event: str = ""  # a track's event name, or the type of another call
    user_key: str = ""
    reason: str = ""  # of dead letters
    message_ids: tuple[str, ...] = ()
    delivery_ids: tuple[int, ...] = ()

    @property
    def is_picked(self) -> bool:
        """Whether events are chosen one by one."""
        return bool(self.message_ids or self.delivery_ids)

    @property
    def of_dead_letters(self) -> bool:
        """Whether dead letters are read, and not the log."""
        return self.origin == Replay.Origin.DEAD_LETTERS

    def check(self) -> None:
        """Raises BadSelection."""
        if self.since and self.until and self.since >= self.until:
            raise BadSelection("since must be before until")
        if (self.reason or self.delivery_ids) and not self.of_dead_letters:
            raise BadSelection("only dead letters are chosen by their reason or by delivery")
        if len(self.message_ids) + len(self.delivery_ids) > MOST_PICKS:
            raise BadSelection(f"more than {MOST_PICKS} events chosen one by one: choose a range")


@dataclass(frozen=True, slots=True)
class Running:
    """A running replay, as a link must know it."""

    origin: str
    event: str
    rate: int | None
    links: int  # that have lanes of it
    rest_seconds: float  # until its rate allows the next event, as the link before left it

    def refusal(self, owed: Owed, event: Mapping[str, Any], wanted: Wanted) -> str | None:
        """The reason why this event is not sent, or None when it is."""
        picks = owed.lane.picks
        if not owed.selected or (picks is not None and owed.place not in picks):
            return UNSELECTED
        if self.event and self.event != name_of(event):
            return UNSELECTED
        return refused(event, wanted)


def name_of(event: Mapping[str, Any]) -> str:
    """What an event is chosen by: a track's event name, the type of any other call."""
    kind = event.get("type")
    return str(event.get("event", "") if kind == "track" else kind).strip()
