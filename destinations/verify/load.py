"""What is sent: the load as the user asked for it. Pure."""

import re
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

_SPAN = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?(?:\*(\d{1,9}))?")


class Span(NamedTuple):
    """Whole numbers from `low` to `high`, drawn `weight` times as often as one of weight 1."""

    low: int
    high: int
    weight: int = 1


class Mix(NamedTuple):
    """Sizes to draw from."""

    spans: tuple[Span, ...]

    @classmethod
    def parse(cls, text: str, least: int) -> "Mix":
        """`20`, `1-50`, `1*9,100` (nine of ten are 1). Raises ValueError with a line that says what was expected."""
        spans = [_span(part.strip()) for part in text.split(",")]
        if any(span is None or span.low < least or span.high < span.low or span.weight < 1 for span in spans):
            raise ValueError(f"{text!r}: expected sizes from {least} such as 20, 1-50 or 1*9,100")
        return cls(tuple(span for span in spans if span))

    @property
    def most(self) -> int:
        """The largest size."""
        return max(span.high for span in self.spans)

    def draw(self, random: Random) -> int:
        """One size."""
        if len(self.spans) == 1:
            span = self.spans[0]
        else:
            (span,) = random.choices(self.spans, [span.weight for span in self.spans])
        return span.low if span.low == span.high else random.randint(span.low, span.high)


def _span(text: str) -> Span | None:
    found = _SPAN.fullmatch(text)
    return Span(int(found[1]), int(found[2] or found[1]), int(found[3] or 1)) if found else None


ONE, TWO_HUNDRED = Mix((Span(1, 1),)), Mix((Span(200, 200),))


@dataclass(frozen=True)
class Load:
    """Users who send numbered events, a user's never two requests at a time.

    `rate`: events a second of all users together, 0: as fast as they are answered. `seconds` or `events` end it,
    whichever comes first; one of them is given. `payload`: bytes of text added to each event. `zipf`: 0, all users
    send alike; 1, the second sends half as much as the first, the third a third.
    """

    users: int = 100
    rate: float = 100.0
    batch: Mix = ONE
    payload: Mix = TWO_HUNDRED
    seconds: float | None = 10.0
    events: int | None = None
    processes: int = 1
    connections: int = 32  # requests in flight, of all processes together
    zipf: float = 0.0
    seed: int = 0
    timeout_seconds: float = 10.0  # a request without an answer for so long is sent again
    wait_most_seconds: float | None = None  # before a request is sent again, whatever Retry-After says

    @property
    def asked(self) -> int | None:
        """How many events that is, whatever the deployment does; None when time ends it."""
        return self.events if self.seconds is None else None

    @property
    def expected(self) -> int | None:
        """How many events that will be when the deployment keeps up, if it can be known."""
        by_time = int(self.rate * self.seconds) if self.rate and self.seconds else None
        return min((number for number in (by_time, self.events) if number), default=None)

    @property
    def parts(self) -> int:
        """How many processes there is work for."""
        return max(1, min(self.processes, self.users, self.connections))
