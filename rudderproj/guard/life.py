"""A life of a process, as its folder keeps it, and the one question: did it end in a crash and come back?"""

import uuid
from dataclasses import dataclass

CLEAN, ASKED, CRASHED = "clean", "asked", "crashed"


@dataclass(frozen=True, slots=True)
class Life:
    """One life of an identity. `end` is empty while it lives, and for ever when nobody saw it end."""

    role: str
    node: str
    run: str  # of the supervisor, or the pod
    boot: str  # of the machine
    pid: int
    started: float  # seconds since that boot
    end: str = ""

    @property
    def crash_id(self) -> str:
        """Of the crash that it may end with: whoever notes it, and however often, it is one crash."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.role} {self.node} {self.run} {self.boot} {self.started!r}"))


def came_back(former: Life, now: Life) -> bool:
    """Whether `now` is a restart after a crash of `former`, the last life of the same identity.

    Not after a clean or asked-for end, nor under another supervisor's run or pod, nor after the machine's own end.
    """
    if (former.run, former.boot) != (now.run, now.boot):
        return False
    return former.end not in (CLEAN, ASKED)
