"""What a scenario is: a kind of run, the stack it wants, and what it is meant to reach."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from bench.layout import Layout
from bench.server import Server

Run: TypeAlias = dict[str, Any]  # one run as the results keep it
STANDARD = Layout()


@dataclass(frozen=True)
class Figure:
    """The number that a scenario is about: a field of its runs (`latency_ms.p95`), its unit, and its reach if any."""

    field: str
    unit: str
    reach: float | None = None
    is_most: bool = False  # the reach is a bound from above

    def is_met(self, value: float) -> bool | None:
        """Whether this is enough; None where nothing is asked."""
        if self.reach is None:
            return None
        return value <= self.reach if self.is_most else value >= self.reach


@dataclass(frozen=True)
class Scenario:
    """`once` takes a server and the seconds of a run. `is_open`: another's server can be measured by it too;
    `is_unconnected`: if it has a source without destinations.
    """

    name: str
    figure: Figure
    once: Callable[[Server, float], Run]
    layout: Layout = STANDARD
    warm_up_seconds: float = 3.0
    most_runs: int = 1000
    uses_up: bool = False  # a run leaves its stack to no other: each turn has one of its own
    is_open: bool = False
    is_unconnected: bool = False


@dataclass(frozen=True)
class Comparison:
    """The figure of one scenario divided by that of another: the median of what each of their turns says."""

    name: str
    of: str
    to: str
    figure: Figure  # of the quotient; its field is the one divided
    factor: float = 1.0  # how much the quotient could be at best
