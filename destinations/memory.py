"""How many bytes of payloads a link may hold: the links of one process share what the process may.

Must never let one lane take the whole of it: the others have to go on beside a head that hangs.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from destinations.reader import READ_BYTES

LANE_BYTES = 4 * 1024 * 1024  # of one lane, beyond which no more of it are read
LINK_BYTES = 64 * 1024 * 1024  # of all lanes of a link that is alone in its process


@dataclass(frozen=True, slots=True)
class Memory:
    """One link's share. `sizes`: what it holds, by lane id; `links`: how many the process runs now, itself included."""

    sizes: Counter[int]
    links: Callable[[], int]

    @property
    def is_full(self) -> bool:
        """Whether nothing more is to be read."""
        return self.sizes.total() > LINK_BYTES / self.links()

    def has_room(self, lane_id: int) -> bool:
        """Whether more of this lane may be read."""
        return self.sizes[lane_id] < LANE_BYTES / self.links()

    @property
    def read_bytes(self) -> int:
        """How much of the log may be read at once."""
        return READ_BYTES // self.links()
