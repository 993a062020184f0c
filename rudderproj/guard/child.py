"""The guarded process: its start, its signals, its output on the way through, its end.

It never outlives the guard (Linux). As the first process of a container the guard also reaps what others leave behind.
"""

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

PR_SET_PDEATHSIG = 1
PIPE_BYTES = 1 << 20
CHUNK = 1 << 16
TOGETHER_SECONDS = (
    0.01  # lines that come so close to each other are passed on together: a wakeup a line would cost more
)
LAST_WORDS_SECONDS = 0.5  # processes of its own may hold the pipe open
BLOCKED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}


class Child:
    """One guarded process. `heard` gets what it writes, before that is passed on to our standard output."""

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self.pid = 0
        self._heard = heard
        self._output = -1
        self._status: int | None = None
        self._woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def start(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Fork and exec, in our own process group, which a supervisor kills as a whole."""
        self._output, write = os.pipe2(os.O_CLOEXEC)
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        guard = os.getpid()
        # A signal between the fork and the note of the pid would be passed on to nobody.
        signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
        pid = os.fork()
        if pid == 0:
            _become(command, environ, write, guard)
        self.pid = pid
        signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED)
        os.close(write)
        os.set_blocking(self._output, False)

    def signal(self, number: int) -> None:
        """Pass a signal on; nothing if there is no process yet, or no more."""
        if self.pid and self._status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def watch(self, woken: Callable[[], None]) -> int:
        """Pass its output on until it ends: its exit status, negative for a signal. `woken` is called after signals."""
        poll = select.poll()
        poll.register(self._output, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while self._status is None:
            for descriptor, _ in poll.poll(1000):
                if descriptor == self._woken:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._woken, CHUNK)
                elif not self._pass_on():
                    poll.unregister(self._output)
            woken()
            self._reap()
            time.sleep(TOGETHER_SECONDS)
        self._drain()
        return os.waitstatus_to_exitcode(self._status)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                if pid == self.pid:
                    self._status = status

    def _pass_on(self) -> bool:
        """Everything that is there; False at the end."""
        while True:
            try:
                data = os.read(self._output, CHUNK)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._heard(data)
            _write(data)

    def _drain(self) -> None:
        end = time.monotonic() + LAST_WORDS_SECONDS
        while self._pass_on() and time.monotonic() < end:
            select.select([self._output], [], [], 0.05)


def _write(data: bytes) -> None:
    """Whoever read our output may be gone: the process must not notice."""
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(1, data) :]


def _become(command: Sequence[str], environ: Mapping[str, str], output: int, guard: int) -> NoReturn:
    """In the child: exec."""
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != guard:
                os._exit(1)
        os.dup2(output, 1)
        os.dup2(output, 2)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED)
        os.execvpe(command[0], list(command), dict(environ))
    except OSError as error:
        os.write(2, f"rudderproj: cannot run {command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)
