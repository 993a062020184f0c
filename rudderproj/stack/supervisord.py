"""supervisord, for which a disk without room for logs is no reason to end: lines that cannot be written are lost.

As it comes it prints what went wrong to its standard error, which is on the same disk, and dies of that: with it the
whole stack. And it starts what has ended in the next of its turns, which may be a second later: here at once. Must
never keep a program's output waiting.
"""

import contextlib
from typing import Any

from supervisor import loggers, supervisord

_emit = loggers.RotatingFileHandler.emit
_handle_signal = supervisord.Supervisor.handle_signal


def _lose(_handler: Any) -> None:
    """In place of telling what could not be written."""


def _emit_if_possible(handler: Any, record: Any) -> None:
    """Also where the file cannot be closed or begun anew: then the next line tries again."""
    try:
        _emit(handler, record)
    except (OSError, ValueError):
        with contextlib.suppress(OSError):
            handler.stream = open(handler.baseFilename, "ab")  # noqa: SIM115 - the handler closes it


def _handle_signal_and_start(self: Any) -> None:
    """What has ended is started again in the same turn, unless the signal says that all is to end."""
    _handle_signal(self)
    for group in self.process_groups.values():
        group.transition()


def main() -> None:
    """Run it; the arguments are its own."""
    supervisord.Supervisor.handle_signal = _handle_signal_and_start
    loggers.Handler.handleError = _lose
    loggers.RotatingFileHandler.emit = _emit_if_possible
    supervisord.main()


if __name__ == "__main__":
    main()
