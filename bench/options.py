"""The command line of `python -m bench`."""

import argparse
from pathlib import Path

from bench.scenarios.growth import KINDS

LARGE = 5_000_000
QUICK_SECONDS = 4.0
PROFILES = Path("bench-profiles")


def parser() -> argparse.ArgumentParser:
    """Every option, with its meaning."""
    made = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure. Columns web to sink: CPU microseconds an event; others: CPUs busy with something else.",
    )
    made.add_argument("--list", action="store_true", help="what there is to measure")
    made.add_argument(
        "--only", default="", metavar="TEXT", help="scenarios whose name contains this; others' results stay"
    )
    made.add_argument("--seconds", type=float, default=15.0, help="length of a run")
    made.add_argument("--runs", type=int, default=5, help="runs of each scenario; the median counts")
    made.add_argument("--quick", action="store_true", help="one short run each: does it work?")
    made.add_argument(
        *("--large",),
        type=int,
        nargs="?",
        const=LARGE,
        metavar="EVENTS",
        help=f"a backlog of {LARGE:,} or so many, too",
    )
    made.add_argument(
        *("--grow",),
        action="append",
        default=[],
        metavar="KIND=VALUE,…",
        help=f"instead, the same with more of something: {', '.join(KINDS)}; as destinations=1,10,100",
    )
    made.add_argument(
        *("--profile",),
        type=Path,
        nargs="?",
        const=PROFILES,
        metavar="FOLDER",
        help="one more run of each, sampled by py-spy, which does not count",
    )
    made.add_argument("--page", action="store_true", help="put the figures into docs/performance.md")
    other = made.add_argument_group("another server, which forwards to a sink of ours")
    other.add_argument("--url", help="http://HOST:PORT of its HTTP API")
    other.add_argument("--write-key", help="of a source connected to a webhook destination http://127.0.0.1:PORT/")
    other.add_argument("--sink-port", type=int, help="that port")
    other.add_argument("--unconnected-write-key", default="", help="of a source without destinations")
    other.add_argument(
        "--pids", default="", metavar="ROLE=PID,…", help="whose CPU time to tell: web, forward, postgres, valkey"
    )
    other.add_argument("--beside", action="store_true", help="measure ours too, scenario by scenario")
    return made


def problem(options: argparse.Namespace) -> str:
    """What is wrong with how they are combined; empty if nothing is."""
    if options.url and not options.url.startswith("http://"):
        return "--url has to be http://HOST:PORT"
    if options.url and not (options.write_key and options.sink_port):
        return "--url needs --write-key and --sink-port"
    if options.url and (options.large or options.grow or options.profile or options.page):
        return "another server is not told what to do: no --large, --grow, --profile or --page with --url"
    if options.large and options.profile:
        return "what a large backlog leaves behind is no stack for one more run: no --profile with --large"
    return ""
