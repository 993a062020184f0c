"""Runs drills one after the other: stage, load, fault, verdict. A drill that fails keeps no other from its turn."""

import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg2

from drills import table
from drills.drill import Drill
from drills.judging import Marks, Outcome, outcome
from drills.load import flowing
from drills.scene import Scene
from drills.stack import ROLES, NotSo, Stack, eventually

FAILURES = (NotSo, OSError, RuntimeError, psycopg2.Error, AssertionError)


@dataclass(frozen=True)
class Options:
    """What all drills have in common. `seconds` of load in place of their own lengths."""

    seed: int = 1
    seconds: float | None = None
    is_quick: bool = False

    def length(self, drill: Drill) -> float:
        """Seconds of load."""
        return self.seconds or (self.is_quick and drill.quick_seconds) or drill.plan.seconds


def run(drills: Sequence[Drill], options: Options, folder: Path) -> Iterator[Outcome]:
    """Yield each drill's outcome as it is known."""
    stage: ExitStack | None = None
    stack: Stack | None = None
    of: object = None
    try:
        for number, drill in enumerate(drills):
            say(f"{drill.name}: {drill.breaks} …")
            if reason := drill.needs():
                yield Outcome(drill.name, skipped=reason)
                continue
            try:
                if stack is None or of is not drill.stage:
                    if stage:
                        stage.close()
                    stage, of, stack = ExitStack(), drill.stage, None
                    (home := folder / f"stage-{number}").mkdir()
                    stack = stage.enter_context(drill.stage(home / "data"))
                found = _one(drill, stack, options, folder)
            except FAILURES as error:
                found = Outcome(drill.name, target=drill.target, complaints=(str(error) or repr(error),))
                of = None  # who knows what it left behind
            say(table.line(found))
            yield found
    finally:
        if stage:
            stage.close()


def _one(drill: Drill, stack: Stack, options: Options, folder: Path) -> Outcome:
    """Break it under load, and let verify say what came of it."""
    plan = replace(drill.plan, seed=options.seed, seconds=options.length(drill))
    home = folder / drill.name
    home.mkdir(exist_ok=True)
    chance = random.Random(f"{options.seed} {drill.name}")  # as if no other drill had run
    marks = Marks()
    with flowing(stack, plan, home) as load:
        scene = Scene(stack, load, plan.seconds, chance, marks)
        drill.fault(scene)
        say(f"{drill.name}: mended, {max(scene.left, 0):.0f} s of load to go")
    _is_whole(stack, marks)
    return outcome(drill.name, drill.target, marks, load.report, load.ledger())


def _is_whole(stack: Stack, marks: Marks) -> None:
    """Everything must be there again without anybody's help."""
    try:
        eventually(lambda: set(ROLES) <= stack.lives().keys(), "all processes being back")
        eventually(stack.is_ready, "being ready")
    except NotSo as error:
        marks.complaints.append(str(error))


def say(line: str) -> None:
    """Progress, for whoever watches."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)
