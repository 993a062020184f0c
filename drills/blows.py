"""Which repeats a fault explains: those of what was sent just before it struck, and no others.

Pure: moments are the machine's monotonic seconds. Must never explain a repeat by a fault of another time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# What a link may have sent since its last checkpoint: what makes it write one, and what is in flight meanwhile.
CHECKPOINT_EVENTS = 200
IN_FLIGHT = 64
LINKS = 2  # that share a destination; one process may serve both
UNCHECKPOINTED = LINKS * (CHECKPOINT_EVENTS + IN_FLIGHT)

# A link with something to note writes a checkpoint every twentieth of a second; the rest is what a busy machine adds.
UNNOTED_SECONDS = 2.0
NOTICE_SECONDS = 2.0  # until a link has noticed that the database, or its lease, is gone


@dataclass(frozen=True)
class Blow:
    """Links forgot what they had not noted, at some time between these two; `most` events at most."""

    began: float
    ended: float
    most: int = UNCHECKPOINTED

    def explains(self, sent: float) -> bool:
        """Whether what was sent then may have been unnoted when it struck."""
        return self.began - UNNOTED_SECONDS <= sent <= self.ended + NOTICE_SECONDS


def unexplained(sent: Iterable[float], blows: Sequence[Blow]) -> list[float]:
    """Of the moments at which was sent what came again, those that no blow explains, or too many of one."""
    room = [blow.most for blow in blows]
    found = []
    for moment in sorted(sent):
        number = next((n for n, blow in enumerate(blows) if room[n] and blow.explains(moment)), None)
        if number is None:
            found.append(moment)
        else:
            room[number] -= 1
    return found
