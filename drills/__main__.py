"""`python -m drills [NAME …] [--quick] [--seed N] …`: exit code 1 if one failed, none could run, or time was over."""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from drills import judging, registry, runner, table
from drills.drill import Drill

QUICK_MINUTES = 10.0


def main() -> int:
    """Run the drills and print the table."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    options = _parser().parse_args()
    if options.list:
        print("\n".join(map(_line, registry.DRILLS)))
        return 0
    try:
        drills = registry.chosen(options.names, options.quick)
    except KeyError as error:
        print(f"there is no drill {error}; --list names them", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="rudderproj-drill-"))
    folder.chmod(0o711)  # PostgreSQL may have to pass through under another user id
    minutes = options.minutes or (QUICK_MINUTES if options.quick else None)
    chosen = runner.Options(options.seed, options.seconds, options.quick, minutes, options.judge_times)
    outcomes = list(runner.run(drills, chosen, folder))
    print(f"\nseed {options.seed}\n\n{table.render(outcomes)}\n")
    if any(outcome.problems for outcome in outcomes):
        print(f"logs and ledgers are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print(table.counts(outcomes))
    return int(not judging.is_proof(outcomes))


def _line(drill: Drill) -> str:
    return f"{drill.name:20} {'quick' if drill.quick_seconds else '':6} {drill.breaks}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m drills", description="Break the running product under load, and see what is lost."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="drills to run; all of them when none is named")
    parser.add_argument("--quick", action="store_true", help=f"the most telling ones, in {QUICK_MINUTES:.0f} minutes")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is left to chance")
    parser.add_argument("--seconds", type=float, help="how long the load of each drill goes on")
    parser.add_argument("--minutes", type=float, help="skip what does not fit into so many, and fail then")
    parser.add_argument("--judge-times", action="store_true", help="fail what delivers later than promised")
    parser.add_argument("--list", action="store_true", help="name the drills")
    return parser


if __name__ == "__main__":
    sys.exit(main())
