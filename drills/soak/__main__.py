"""`python -m drills.soak [--minutes 30] [--rate N] [--every S]`: exit code 1 when something grew or was lost."""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drills.blows import Blow
from drills.judging import faults
from drills.load import Load, Plan, flowing
from drills.runner import absences, samples, say
from drills.soak import sizes, verdict
from drills.soak.trouble import TROUBLES
from drills.stack import Stack, running

CALIBRATION_SECONDS = 20.0
SAMPLE_SECONDS = 5.0
LAST_SECONDS = 10.0  # of load when the database is measured: once it is over, verify removes what it sent
AS_FAST_AS_POSSIBLE = 0


@dataclass
class Watched:
    """What was seen meanwhile. `hits`: how much each kind of trouble has hit, of those that came due."""

    memory: list[sizes.Memory] = field(default_factory=list)
    blows: list[Blow] = field(default_factory=list)
    hits: dict[str, int] = field(default_factory=dict)


def main() -> int:
    """Run it, and tell what came of it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    options = _parser().parse_args()
    folder = Path(tempfile.mkdtemp(prefix="rudderproj-soak-"))
    folder.chmod(0o711)  # PostgreSQL may have to pass through under another user id
    problems = ["it came to no end"]
    try:
        problems = _soak(options, folder)
    finally:
        print(f"\n{'FAILED: ' + '; '.join(problems) if problems else 'ok'}")
        if problems:
            print(f"logs and the ledger are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return int(bool(problems))


def _soak(options: argparse.Namespace, folder: Path) -> list[str]:
    """What is wrong; empty when all is well."""
    with running(folder / "data") as stack:
        rate = options.rate or _half_of_capacity(stack, options.seed, folder)
        plan = Plan(users=400, rate=rate, seconds=60 * options.minutes, seed=options.seed, sink_latency_ms=0)
        before, began = sizes.database(stack), time.monotonic()
        say(f"{rate} events a second for {options.minutes:g} minutes")
        with flowing(stack, plan, folder) as load:
            seen = _watch(stack, load, plan, options.every, random.Random(options.seed))
            after, sampled = sizes.database(stack), samples(stack, begun=True)
        grown = verdict.growths(seen.memory, began, time.monotonic())
        slow = verdict.latencies(load.ledger())
        _tell(load, grown, slow, before, after)
        print("; ".join(f"{name}: {count} hit" for name, count in sorted(seen.hits.items())))
        return [
            *verdict.problems(grown, before, after),
            *verdict.slowness(slow, plan.seconds),
            *plan.shortfall(load.report["accepted"]),
            *verdict.unfelt(seen.hits),
            *faults(load.report, load.ledger(), seen.blows),
            *absences(stack, sampled),
        ]


def _half_of_capacity(stack: Stack, seed: int, folder: Path) -> int:
    plan = Plan(users=400, rate=AS_FAST_AS_POSSIBLE, seconds=CALIBRATION_SECONDS, seed=seed, sink_latency_ms=0)
    with flowing(stack, plan, folder / "calibration") as load:
        pass
    capacity = float(load.report["delivered"]) / float(load.report["seconds"])
    say(f"in and out as fast as it goes: {capacity:.0f} events a second")
    return max(1, round(capacity / 2))


def _watch(stack: Stack, load: Load, plan: Plan, every: float, chance: random.Random) -> Watched:
    """Break something now and then; how large every process was meanwhile, what was hit, and what made links forget."""
    seen = Watched()
    ends, next_trouble = load.began + plan.seconds - LAST_SECONDS, time.monotonic() + every
    while time.monotonic() < ends and load.process.poll() is None:
        seen.memory.extend(sizes.memory(stack))
        if time.monotonic() > next_trouble:
            name, struck_at = chance.choice(sorted(TROUBLES)), time.monotonic()
            say(name)
            hit = TROUBLES[name].make(stack, chance)
            seen.hits[name] = seen.hits.get(name, 0) + hit
            if hit and TROUBLES[name].may_repeat:
                seen.blows.append(Blow(struck_at, time.monotonic()))
            next_trouble = time.monotonic() + every * chance.uniform(0.5, 1.5)
        time.sleep(SAMPLE_SECONDS)
    return seen


def _tell(
    load: Load,
    grown: Sequence[verdict.Growth],
    slow: Sequence[tuple[float, float]],
    before: sizes.Database,
    after: sizes.Database,
) -> None:
    mib = verdict.MIB
    print("| process | MiB before | after |\n| --- | ---: | ---: |")
    for one in grown:
        print(f"| {one.name} ({one.pid}) | {one.before / mib:.0f} | {one.after / mib:.0f} |")
    print("\n| tenth of the run | p50 ms | p95 ms |\n| --- | ---: | ---: |")
    for number, (middle, most) in enumerate(slow, 1):
        print(f"| {number} | {middle:.0f} | {most:.0f} |")
    print(f"\ndatabase: {before.whole / mib:.0f} MiB, then {after.whole / mib:.0f};")
    print(f"{after.events:,} events of {after.payload:.0f} bytes, {before.events:,} before;")
    print("; ".join(f"{name} {size / mib:.1f}" for name, size in after.parts[:8]))
    print({name: load.report[name] for name in ("accepted", "delivered", "lost", "duplicates", "out_of_order")})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m drills.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=int, help="events a second; half of what is measured first when not given")
    parser.add_argument("--every", type=float, default=45.0, help="seconds between troubles, about")
    parser.add_argument("--seed", type=int, default=1, help="of load and trouble")
    return parser


if __name__ == "__main__":
    sys.exit(main())
