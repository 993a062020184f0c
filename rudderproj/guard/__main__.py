"""`python -m rudderproj.guard --role web|forward|alerts|beat -- COMMAND...`: reads the command line.

Exit codes: the command's, or 128 and the number of the signal that ended it; 2 wrong use.
"""

import argparse
import os
import sys

from rudderproj import listening

WEB_MODULE = "rudderproj.server"
ROLES = ("web", "forward", "alerts", "beat")


def main(argv: list[str]) -> int:
    """Guard until the command ends."""
    parser = argparse.ArgumentParser(prog="python -m rudderproj.guard")
    parser.add_argument("--role", required=True, choices=ROLES)
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    options = parser.parse_args(argv)
    environ = dict(os.environ)
    if WEB_MODULE in options.command:
        environ |= listening.hold(environ)
    from rudderproj.guard import folder, guard  # takes a while, in which the web process's clients wait already

    node, own = folder.take(options.role, environ)
    return guard.Guard(options.role, node, own, environ).run(options.command)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # A database that hangs keeps the registrar's thread: nobody waits for it.
    os._exit(status)
