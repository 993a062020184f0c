"""What the sink answers to each arrival: a script, a share of failures, a delay. Pure but for its random numbers."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, repeat
from pathlib import Path
from random import Random

from destinations.oracle.script import OK, Reply, reply

_STEP = re.compile(r"(hang|reset|[2-5]\d\d)(?::(\d+))?(?:\*(\d{1,9}))?")
_EXPECTED = "expected steps such as 200*50,503:2*5,hang,reset,200"
Steps = tuple[tuple[Reply, int], ...]


@dataclass(frozen=True)
class Answers:
    """How the sink behaves. `fail`: the share of arrivals, 0 to 1, that are answered 503 whatever the script says.

    `steps` are gone through arrival by arrival, each so many times; the last one is repeated for ever.
    """

    steps: Steps = ((OK, 1),)
    fail: float = 0.0
    latency_seconds: float = 0.0
    seed: int = 0

    def replies(self) -> Iterator[Reply]:
        """One for each arrival, without end."""
        random = Random(f"{self.seed}/answers")  # noqa: S311 - repeatable, not secret
        for step in chain(chain.from_iterable(repeat(*step) for step in self.steps), repeat(self.steps[-1][0])):
            chosen = Reply(503) if self.fail and random.random() < self.fail else step
            yield replace(chosen, delay_seconds=self.latency_seconds) if self.latency_seconds else chosen


def parse(text: str) -> Steps:
    """Steps as typed, or those in the file of that name.

    A step is a status, `hang` or `reset`; `:SECONDS` gives an answer a Retry-After, `*TIMES` repeats the step.
    Raises ValueError with a line that says what was expected.
    """
    is_file = False
    with contextlib.suppress(OSError):  # too long for a name
        is_file = Path(text).is_file()
    text = Path(text).read_text() if is_file else text
    return tuple(_step(part) for part in re.split(r"[,\s]+", text.strip()))


def _step(text: str) -> tuple[Reply, int]:
    found = _STEP.fullmatch(text)
    if not found or (found[2] and not found[1].isdecimal()):
        raise ValueError(f"{text!r}: {_EXPECTED}")
    made = reply(int(found[1]) if found[1].isdecimal() else found[1])
    return replace(made, retry_after=found[2]), int(found[3] or 1)
