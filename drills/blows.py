"""Which repeats a fault explains: one each of what was sent just before it struck, and no others.

Pure: moments are the machine's monotonic seconds. Must never explain a repeat by a fault of another time.
"""

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

# What a link may have sent since its last checkpoint: what makes it write one, and what is in flight meanwhile.
CHECKPOINT_EVENTS = 200
IN_FLIGHT = 256
LINKS = 2  # that share a destination; one process may serve both
UNCHECKPOINTED = LINKS * (CHECKPOINT_EVENTS + IN_FLIGHT)
ON_ITS_WAY = LINKS * IN_FLIGHT

# A link with something to note writes a checkpoint every twentieth of a second, a fifth where sixteen share a process;
# the rest is what a busy machine adds: of 65 repeats beside a compiler the oldest had been sent 0.12 s before.
UNNOTED_SECONDS = 1.0
DEAD_UNNOTED_SECONDS = 0.5  # who was killed had worked until then, and waited neither for a database nor for a network
NOTICE_SECONDS = 1.0  # until a link has noticed that the database, or its lease, is gone
ON_THE_WIRE_SECONDS = 0.25  # the dead send nothing: until what they had sent is there, and who killed them says so


@dataclass(frozen=True)
class Repeat:
    """An event was sent, and then `again`: at a time that nobody knows, unless it is said."""

    event: Hashable
    sent: float
    again: float = math.inf


@dataclass(frozen=True)
class Blow:
    """Links forgot what they had not noted, at some time between these two; `most` events at most.

    `before`: what was sent for so long may not have been noted. `after`: for so long they sent all the same.
    `again_from`: before then nothing came again, if that is known.
    """

    began: float
    ended: float
    most: int = UNCHECKPOINTED
    before: float = UNNOTED_SECONDS
    after: float = NOTICE_SECONDS
    again_from: float = -math.inf

    def explains(self, repeat: Repeat) -> bool:
        """Whether what was sent then may have been unnoted when it struck, and came again since."""
        is_unnoted = self.began - self.before <= repeat.sent <= self.ended + self.after
        # A blow is noted once it was dealt, when somebody else may already have sent it again.
        return is_unnoted and repeat.again >= max(self.began - ON_THE_WIRE_SECONDS, self.again_from)


def unexplained(repeats: Iterable[Repeat], blows: Sequence[Blow]) -> list[Repeat]:
    """Those that no blow explains, or too many of one: of one event a blow explains a single repeat."""
    blows = sorted(blows, key=lambda blow: blow.ended + blow.after)  # whose time is over first has the least to explain
    room = [blow.most for blow in blows]
    explained = set[tuple[int, Hashable]]()
    found = []
    for repeat in sorted(repeats, key=lambda one: one.sent):
        able = (n for n, blow in enumerate(blows) if room[n] and blow.explains(repeat))
        number = next((n for n in able if (n, repeat.event) not in explained), None)
        if number is None:
            found.append(repeat)
        else:
            room[number] -= 1
            explained.add((number, repeat.event))
    return found
