"""`python -m drills.remover`: deletes the destinations and connections that are named to it; a line for each.

A process of its own, which lives for as long as the drill: the product has no program that deletes one, and to start
Django takes longer than drills leave between two changes.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from drills.stack import ROOT, NotSo, Stack
from rudderproj.stack.saved import adopt

DONE = "done"
DESTINATION, CONNECTION = "destination", "connection"


class Remover:
    """The process, for a drill."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def remove(self, kind: str, number: int) -> None:
        """A destination with its connections, or a connection alone. Returns when it is gone. Raises NotSo."""
        if self._process.stdin is None or self._process.stdout is None:
            raise TypeError("it has no pipes")
        self._process.stdin.write(f"{kind} {number}\n")
        self._process.stdin.flush()
        if (said := self._process.stdout.readline().strip()) != DONE:
            raise NotSo(f"{kind} {number} is not deleted: {said}")


@contextlib.contextmanager
def removing(stack: Stack) -> Iterator[Remover]:
    """What deletes destinations and connections, until the end of the block."""
    command = [sys.executable, "-m", "drills.remover"]
    with subprocess.Popen(
        command, cwd=ROOT, env=stack.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Remover(process)
        finally:
            process.kill()


def main() -> None:
    """Until the end of standard input."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "rudderproj.settings"
    adopt(os.environ)
    import django

    django.setup()
    from django.db import DatabaseError, transaction

    from destinations.models import Connection, Destination

    for line in sys.stdin:
        kind, number = line.split()
        try:
            with transaction.atomic():
                Connection.objects.filter(**{"destination" if kind == DESTINATION else "pk": int(number)}).delete()
                if kind == DESTINATION:
                    Destination.objects.filter(pk=int(number)).delete()
            print(DONE, flush=True)
        except DatabaseError as error:
            print(" ".join(str(error).split()), flush=True)


if __name__ == "__main__":
    main()
