"""`python -m drills [NAME …] [--quick] [--seed N] [--seconds S]`: exit code 1 when a drill failed."""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from drills import registry, runner, table
from drills.drill import Drill


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
    outcomes = list(runner.run(drills, runner.Options(options.seed, options.seconds, options.quick), folder))
    print(f"\nseed {options.seed}\n\n{table.render(outcomes)}")
    if failed := [outcome for outcome in outcomes if outcome.problems]:
        print(f"\n{len(failed)} of {len(outcomes)} failed; logs and ledgers are in {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _line(drill: Drill) -> str:
    return f"{drill.name:20} {'quick' if drill.quick_seconds else '':6} {drill.breaks}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m drills", description="Break the running product under load, and see what is lost."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="drills to run; all of them when none is named")
    parser.add_argument("--quick", action="store_true", help="the most telling ones: five minutes of load")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is left to chance")
    parser.add_argument("--seconds", type=float, help="how long the load of each drill goes on")
    parser.add_argument("--list", action="store_true", help="name the drills")
    return parser


if __name__ == "__main__":
    sys.exit(main())
