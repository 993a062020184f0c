"""Runs drills one after the other: stage, load, fault, verdict. A drill that fails keeps no other from its turn."""

import random
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psutil

from drills import table
from drills.drill import Drill
from drills.judging import Marks, Outcome, extended, outcome
from drills.load import Plan, flowing
from drills.scene import Scene
from drills.stack import ROLES, NotSo, Stack, eventually

BESIDES_SECONDS = 40.0  # what a drill takes beside its load, and its stage at the start
WARM_UP_SECONDS = 2.5  # of load before the fault, from the first delivery on
LEAD_SECONDS = WARM_UP_SECONDS + 1.5  # what that, and the way to the first delivery, adds to the load
AFTER_SECONDS = 5.0  # of load once more, when the first was over before its fault
ALIVE_SECONDS = 5.0  # for which a process has to live to be back: one that crashes again and again does not
SAMPLE_SECONDS = 90.0  # one is taken each ten; who was killed while counting keeps others from it for a minute
_SAMPLES = "SELECT slot FROM destinations_sample WHERE counts IS NOT NULL OR %s"


@dataclass(frozen=True)
class Options:
    """What all drills have in common. `seconds` of load in place of their own lengths; `minutes` for all together."""

    seed: int = 1
    seconds: float | None = None
    is_quick: bool = False
    minutes: float | None = None
    judges_times: bool = False

    def length(self, drill: Drill) -> float:
        """Seconds of load."""
        return self.seconds or (self.is_quick and drill.quick_seconds) or drill.plan.seconds

    def no_time(self, drill: Drill, passed: float) -> str:
        """Why the drill cannot be run any more after so many seconds; empty if it can."""
        fits = self.minutes is None or passed + self.length(drill) + BESIDES_SECONDS <= 60 * self.minutes
        return "" if fits else f"{self.minutes:g} minutes are over"


class Stages:
    """The stack that drills which follow each other share. What is wrong with its end is no drill's fault."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        self._held = ExitStack()
        self._of: object = None
        self._stack: Stack | None = None

    def stack(self, drill: Drill) -> Stack:
        """A running one as the drill wants it."""
        if self._stack is None or self._of is not drill.stage:
            self.close()
            self._count += 1
            (home := self._folder / f"stage-{self._count}").mkdir()
            self._stack = self._held.enter_context(drill.stage(home / "data"))
            self._of = drill.stage
        return self._stack

    def close(self) -> None:
        """End what runs, if anything does."""
        self._stack = None
        held, self._held = self._held, ExitStack()
        try:
            held.close()
        except Exception as error:  # noqa: BLE001 - it costs no drill its turn
            say(f"the stage did not end well: {_words(error)}")


def run(drills: Sequence[Drill], options: Options, folder: Path) -> Iterator[Outcome]:
    """Yield each drill's outcome as it is known."""
    began = time.monotonic()
    stages = Stages(folder)
    try:
        for drill in drills:
            say(f"{drill.name}: {drill.breaks} …")
            try:
                found = _outcome(drill, stages, options, folder, time.monotonic() - began)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this drill's alone
                (folder / f"{drill.name}.txt").write_text(traceback.format_exc())
                found = Outcome(drill.name, target=drill.target, complaints=(_words(error),))
                stages.close()  # who knows what it left behind
            say(table.line(found))
            yield found
    finally:
        stages.close()


def _outcome(drill: Drill, stages: Stages, options: Options, folder: Path, passed: float) -> Outcome:
    if no_time := options.no_time(drill, passed):
        return Outcome(drill.name, skipped=no_time, no_time=True)
    if reason := drill.needs():
        return Outcome(drill.name, skipped=reason)
    return _one(drill, stages.stack(drill), options, folder / drill.name)


def _one(drill: Drill, stack: Stack, options: Options, home: Path) -> Outcome:
    """Break it under load, and let verify say what came of it."""
    plan = replace(drill.plan, seed=options.seed, seconds=LEAD_SECONDS + options.length(drill))
    chance = random.Random(f"{options.seed} {drill.name}")  # as if no other drill had run
    marks = Marks()
    with flowing(stack, plan, home) as load:
        scene = Scene(stack, load, plan.seconds, chance, marks)
        scene.pause(WARM_UP_SECONDS)
        drill.fault(scene)
        say(f"{drill.name}: mended, {max(scene.left, 0):.0f} s of load to go")
        before = samples(stack, begun=True)
    marks.complaints += absences(stack, before)
    marks.complaints += shortfalls(drill, plan, load.report["accepted"])
    found = outcome(drill.name, drill.target, marks, load.report, load.ledger())
    if found.is_silent:  # the load was over before anything could be accepted
        with flowing(stack, replace(plan, seconds=AFTER_SECONDS), home / "after") as more:
            pass
        found = extended(found, outcome(drill.name, drill.target, marks.last(), more.report, more.ledger()))
    return replace(found, judges_times=options.judges_times)


def shortfalls(drill: Drill, plan: Plan, accepted: int) -> list[str]:
    """Whether so little went in that it was no load, of a drill that does not touch ingest."""
    return plan.shortfall(accepted) if drill.goes_on else []


def samples(stack: Stack, begun: bool = False) -> set[int]:
    """Which samples of its figures the stack has, once the database answers; those it has `begun`, too. Raises NotSo.

    By their numbers: a drill may have changed the clock.
    """
    eventually(stack.has_database, "the database answering")
    return {int(slot) for (slot,) in stack.query(_SAMPLES % begun)}


def absences(stack: Stack, before: set[int]) -> list[str]:
    """What is not there again without anybody's help, wherever it is. `before`: the samples when the fault was over."""
    found = []
    for one in stack.together:
        try:
            eventually(partial(_are_back, one), "all processes being back")
            eventually(one.is_ready, "being ready")
            eventually(one.has_broker, "the broker answering")
            eventually(one.has_database, "the database answering")
        except NotSo as error:
            found.append(str(error))
    return found or _stalled(stack, before)


def _stalled(stack: Stack, before: set[int]) -> list[str]:
    """Whether beat, the broker and an alerts worker do their work and do not merely live: a new sample takes all three.

    They are the same for all of a stage: it may be the work of any of its machines.
    """
    try:
        eventually(lambda: samples(stack) - before, "a sample, by beat and an alerts worker", seconds=SAMPLE_SECONDS)
    except NotSo as error:
        return [str(error)]
    return []


def _are_back(stack: Stack) -> bool:
    """Whether every process has lived for a while, those of roles below their guard."""
    try:
        found = [*map(stack.main, ROLES), *(psutil.Process(stack.pid(name)) for name in stack.others)]
        return all(time.time() - process.create_time() > ALIVE_SECONDS for process in found)
    except psutil.NoSuchProcess:
        return False


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else repr(error)


def say(line: str) -> None:
    """Progress, for whoever watches."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)
