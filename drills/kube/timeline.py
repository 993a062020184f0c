"""What was seen, when, and whether it had to be so. The table that is printed at the end."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from drills.runner import say
from drills.stack import NotSo

POLL_SECONDS = 0.5


@dataclass
class Timeline:
    """Rows by step; `broken` is whatever did not hold."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    held: int = 0
    _step: str = ""
    _head: str = ""  # the step's name until it was told, in the first of its rows
    _began: float = 0.0

    def begin(self, step: str) -> None:
        """From now on seconds are counted from here."""
        self._step, self._head, self._began = step, step, time.monotonic()
        say(f"{step} …")

    def saw(self, what: str) -> None:
        """Something that is told, not judged."""
        since = f"{time.monotonic() - self._began:.1f}"
        self.rows.append((self._head, since, what))
        self._head = ""
        say(f"  {since:>6} s  {what}")

    def expect(self, holds: bool, what: str, otherwise: str) -> None:
        """It must be so; the run goes on to see the rest."""
        if holds:
            self.held += 1
            self.saw(what)
        else:
            self.broken.append(f"{self._step}: not so: {what}: {otherwise}")
            self.saw(f"FAILED: {what}: {otherwise}")

    def wait(self, what: str, lacks: Callable[[], object], seconds: float) -> None:
        """Until nothing is lacking any more. Raises NotSo, without which the next step makes no sense."""
        deadline = time.monotonic() + seconds
        while lacking := lacks():
            if time.monotonic() > deadline:
                self.saw(f"FAILED: {what}: not within {seconds:.0f} s: {lacking}")
                raise NotSo(f"{self._step}: {what}: not within {seconds:.0f} s: {lacking}")
            time.sleep(POLL_SECONDS)
        self.held += 1
        self.saw(what)

    def render(self) -> str:
        """A table in Markdown."""
        lines = [("what is done", "s", "what was seen"), ("---", "---:", "---"), *self.rows]
        return "\n".join(f"| {' | '.join(row)} |" for row in lines)
