"""The processes that send: started, told to give up, and ended with whoever started them."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from destinations.verify.sender import Task

ROOT = Path(__file__).resolve().parents[2]
END_SECONDS = 30


class SenderDied(Exception):
    """A sender ended by itself; its own words are on standard error."""


class Senders:
    """One process for each task."""

    def __init__(self, tasks: list[Task]) -> None:
        self._processes = [_start(task) for task in tasks]

    def have_ended(self) -> bool:
        """Whether all is sent and answered, or given up. Raises SenderDied."""
        codes = [process.poll() for process in self._processes]
        if failed := [code for code in codes if code]:
            raise SenderDied(f"a sender ended with {failed[0]}")
        return None not in codes

    def give_up(self) -> None:
        """Have them begin nothing more, and end with what is not answered."""
        for process in self._processes:
            self._tell(process, b"give up\n")

    def close(self) -> None:
        """End them at once."""
        for process in self._processes:
            if process.stdin:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
        for process in self._processes:
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _tell(self, process: subprocess.Popen[bytes], line: bytes) -> None:
        if process.stdin:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(line)
                process.stdin.flush()


def _start(task: Task) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C is for who started it, and ends it through its input.
    process = subprocess.Popen(
        [sys.executable, "-m", "destinations.verify.sender"], cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True
    )
    if process.stdin:
        process.stdin.write(task.dump().encode() + b"\n")
        process.stdin.flush()
    return process


@contextlib.contextmanager
def sending(tasks: list[Task]) -> Iterator[Senders]:
    """Senders that are certainly over after the block."""
    senders = Senders(tasks)
    try:
        yield senders
    finally:
        senders.close()
