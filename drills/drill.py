"""What a drill is, as data."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from drills.judging import ANY_TIME, Target
from drills.load import Plan
from drills.scene import Scene
from drills.stack import Stack, running

WORKER_KILLED = Target(first_delivery_seconds=5.0, is_of_all=True)
# Each 1.5 seconds it kills whoever chance names, ready or not: what is judged is the end of a row of kills, not of one.
KILLED_AGAIN_AND_AGAIN = Target(first_delivery_seconds=20.0, is_of_all=True)
FAILED_OVER = Target(first_delivery_seconds=15.0)


@dataclass(frozen=True)
class Drill:
    """One way to break the product. `fault` runs while the load flows, and ends with nothing left broken.

    `stage` makes the stack; drills that follow each other with the same one share it.
    """

    name: str
    breaks: str
    fault: Callable[[Scene], None]
    quick_seconds: float = 0.0  # of load among the quick drills; 0: it is none of them
    target: Target = ANY_TIME
    plan: Plan = field(default_factory=Plan)
    stage: Callable[[Path], AbstractContextManager[Stack]] = running
    goes_on: bool = False  # ingest, whatever is broken: most of the load must be accepted
    needs: Callable[[], str] = field(default=lambda: "")  # why this machine cannot do it; empty if it can
