"""A pool as small as can be: forks a process for each shift, and records how it died, as a worker's main process does.

Run as a program: reads a destination's id from each line of its input, and answers each with the shift's exit status.
"""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from tests.services import ROOT

STATUS_OF_SEGFAULT = -signal.SIGSEGV


class Pool:
    """The test's side: shifts, one at a time or several side by side in pools of their own."""

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        folder.mkdir()
        self._program = subprocess.Popen(
            [sys.executable, "-m", "tests.suspects.pool"],
            cwd=ROOT,
            env=env | {"LIFE_DIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def shift(self, destination_id: int) -> int:
        """Run one in a process of its own: 0, or how that died (negative: by which signal)."""
        self.begin(destination_id)
        return self.end()

    def begin(self, destination_id: int) -> None:
        """Have one started."""
        assert self._program.stdin
        self._program.stdin.write(f"{destination_id}\n")
        self._program.stdin.flush()

    def end(self) -> int:
        """Wait for it."""
        assert self._program.stdout
        return int(self._program.stdout.readline())

    def close(self) -> None:
        """End the program."""
        self._program.communicate(timeout=30)


@contextmanager
def pool(env: dict[str, str], folder: Path) -> Iterator[Pool]:
    """A pool for the length of a block."""
    made = Pool(env, folder)
    try:
        yield made
    finally:
        made.close()


def main() -> None:
    """Serve the test."""
    import django

    django.setup()
    from tests.suspects.types.register import register

    register()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _work(int(line))
        _, ended = os.waitpid(child, 0)
        status = os.waitstatus_to_exitcode(ended)
        if status:
            record(child, status)
        print(status, flush=True)


def _work(destination_id: int) -> None:
    from destinations.forward import Forwarder
    from destinations.limits import Limits

    try:
        forwarder = Forwarder(Limits.from_settings())
        forwarder.work(destination_id)
        forwarder.close()
        os._exit(0)
    finally:
        os._exit(99)


def record(pid: int, status: int) -> None:
    """Store the crash with what it held, and only then take that away: until then nobody takes its lanes over."""
    from rudderproj import db, flight

    path = flight.path_of(pid)
    assert path
    raw = db.connect("pool", 10)
    with raw.cursor() as cursor:
        cursor.execute(
            "INSERT INTO alerts_crash (id, role, node, kind, pid, restarted_at, exit_status, in_flight,"
            " suspected_until) VALUES (%s, 'forward', 'pool', 'child', %s, now(), %s, %s, now() + interval '1 minute')",
            [str(uuid.uuid4()), pid, status, orjson.dumps(flight.read(path)).decode()],
        )
    raw.close()
    path.unlink()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rudderproj.settings")
    main()
