"""The process a person starts and stops: it keeps the supervisor, and takes it along when it ends.

Owns signals. Must never return while a process of the data folder is alive.
"""

import os
import select
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType

from . import processes, supervise
from .datadir import DataDir

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """Ctrl-C, SIGTERM or SIGHUP came; raised wherever the main thread is."""


class Signals:
    """The first signal asks for an orderly stop, every further one hurries it."""

    def __init__(self) -> None:
        self.stopping = False
        self.supervisor: supervise.Supervisor | None = None

    def install(self) -> None:
        for number in STOP_SIGNALS:
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, self._child_ended)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        if not self.stopping:
            self.stopping = True
            raise StopRequested
        if self.supervisor:
            self.supervisor.hurry()

    def _child_ended(self, _number: int, _frame: FrameType | None) -> None:
        # Otherwise a start would wait for services that nobody starts any more.
        if self.supervisor and not self.stopping and self.supervisor.process.poll() is not None:
            self.stopping = True
            raise self.supervisor.ended()


def serve(
    signals: Signals,
    data: DataDir,
    programs: Sequence[supervise.Program],
    environ: dict[str, str],
    when_started: Callable[[], None],
    until_stdin_closes: bool = False,
) -> None:
    """Supervise the programs until a signal comes; `when_started` does what is left of the start meanwhile."""
    try:
        signals.supervisor = supervise.start(data, programs, environ)
        when_started()
        _wait(signals.supervisor, until_stdin_closes)
    finally:
        signals.stopping = True
        if signals.supervisor:
            signals.supervisor.stop()
        else:
            processes.end_all(data.run, data.marker, patience_seconds=5.0)


def _wait(supervisor: supervise.Supervisor, until_stdin_closes: bool) -> None:
    if not until_stdin_closes:
        supervisor.process.wait()
    while supervisor.process.poll() is None:
        # Whoever started us holds the other end: it closes even when that process is killed.
        if select.select([sys.stdin], [], [], 0.2)[0] and not os.read(sys.stdin.fileno(), 1024):
            return
    raise supervisor.ended()
