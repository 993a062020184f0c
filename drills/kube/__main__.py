"""`python -m drills.kube [STEP …] [--value NAME=VALUE …]`: exit code 1 when anything did not hold or none was run."""

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from drills.kube import binaries
from drills.kube.api import Refused
from drills.kube.nodes import Nodes
from drills.kube.plane import running
from drills.kube.scenario import STEPS
from drills.kube.timeline import Timeline
from drills.kube.view import View
from drills.stack import NotSo


def main() -> int:
    """Run it, and print what was seen."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    options = _parser().parse_args()
    if unknown := sorted(set(options.steps) - set(STEPS)):
        print(f"there is no step {', '.join(unknown)}; --help names them", file=sys.stderr)
        return 2
    try:
        programs = binaries.ready()
    except binaries.Missing as missing:
        print(f"skipped: {missing}", file=sys.stderr)
        return 1
    folder, timeline = Path(tempfile.mkdtemp(prefix="rudderproj-cluster-")), Timeline()
    try:
        chosen = [word for one in options.value for word in ("--set", one)]
        with running(programs, folder) as plane:
            _run(View(plane, Nodes(plane), timeline, chosen), options.steps or list(STEPS))
    except (NotSo, Refused, OSError) as error:
        timeline.broken.append(f"{type(error).__name__}: {error}")
    except (KeyboardInterrupt, SystemExit):
        shutil.rmtree(folder, ignore_errors=True)  # nobody asks why
        raise
    finally:
        print(f"\n{timeline.render()}\n")
    if timeline.broken:
        print("\n".join(timeline.broken))
        print(f"logs are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{timeline.held} held, {len(timeline.broken)} did not")
    return int(bool(timeline.broken))


def _run(view: View, names: Sequence[str]) -> None:
    """Step by step; the first that comes to no end is the last, since others begin where it would have ended."""
    for name, step in STEPS.items():
        if name in names or name == "install":
            step(view)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m drills.kube",
        description="Install the chart on a control plane made for it, and take its nodes and zones away.",
    )
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"of {', '.join(STEPS)}; all if none")
    parser.add_argument(
        "--value", action="append", default=[], metavar="NAME=VALUE", help="of the chart, as helm's --set"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
