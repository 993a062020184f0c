"""`python -m rudderproj.stack run|services`: reads the command line; every foreseeable failure is one line.

Exit codes: 0 stopped as asked, 1 the environment is at fault, 2 wrong use.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from . import announce, environment, ports, programs, saved, services, setup
from .datadir import open_data_dir
from .errors import StackError
from .foreground import Signals, StopRequested, serve
from .supervise import gate_path


def main(argv: list[str]) -> None:
    """Run until stopped; ends the process with the exit code."""
    signals = Signals()
    with stopped_in_order(signals):
        options = _parser().parse_args(argv)
        if options.command == "services":
            _services(signals, options)
        else:
            _run(signals)


@contextlib.contextmanager
def stopped_in_order(signals: Signals) -> Iterator[None]:
    """Turn a stop into exit code 0, and every foreseeable failure into one line and its exit code."""
    try:
        signals.install()
        yield
    except StopRequested:
        sys.exit(0)
    except (StackError, OSError) as error:
        print(f"rudderproj: {error}", file=sys.stderr)
        sys.exit(error.exit_code if isinstance(error, StackError) else 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rudderproj.stack")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="everything, until Ctrl-C")
    only = commands.add_parser("services", help="PostgreSQL and Valkey alone, until Ctrl-C")
    only.add_argument("--data-dir", required=True)
    only.add_argument("--postgres", type=int, choices=range(14, 19), default=18, help="major version")
    only.add_argument("--postgres-bin", type=Path, help="its bin folder; default: the wheel's, which has 16 and 18")
    only.add_argument("--no-fsync", action="store_true", help="faster, and loses data in a power cut: tests only")
    only.add_argument("--print-env", action="store_true", help="print nothing but NAME=value lines when they answer")
    only.add_argument("--until-stdin-closes", action="store_true", help="also stop when standard input ends")
    return parser


def _services(signals: Signals, options: argparse.Namespace) -> None:
    data = open_data_dir(options.data_dir)
    services.end_former_run(data)
    found = services.prepare(data, os.environ, options.postgres, not options.no_fsync, options.postgres_bin)

    def when_started() -> None:
        found.wait()
        if not options.print_env:
            print("PostgreSQL and Valkey answer. Ctrl-C stops them.")
        for name, value in found.environment().items():
            print(f"{name}={value}")
        # An empty line is the end: whoever reads this through a pipe need not wait longer.
        print(flush=True)

    serve(signals, data, found.programs(), dict(os.environ), when_started, options.until_stdin_closes)


def _run(signals: Signals) -> None:
    chosen = environment.settings(os.environ)
    for line in environment.remarks(os.environ):
        print(f"rudderproj: {line}", file=sys.stderr)
    data = open_data_dir(chosen.data_dir)
    services.end_former_run(data)
    ports.require_free(chosen.web_host, chosen.web_port, "WEB_PORT")
    ports.require_free("127.0.0.1", chosen.flower_port, "FLOWER_PORT")
    found = services.prepare(data, os.environ)
    environ = environment.complete(dict(os.environ) | found.environment(), chosen, data)

    saved.save(data.root, environ)

    def when_started() -> None:
        found.wait()
        demo = setup.prepare_database(data, environ)
        gate_path(data).touch()
        announce.wait_ready(chosen, data)
        print(announce.text(chosen, environ, data, demo), flush=True)

    serve(signals, data, [*found.programs(), *programs.application(chosen, data.root)], environ, when_started)


if __name__ == "__main__":
    main(sys.argv[1:])
