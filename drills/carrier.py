"""A Valkey of a drill's own, made as the product makes its embedded one, and what empties any.

It must never outlive the drill.
"""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from redis import Redis

from drills.stack import ROOT
from rudderproj.stack import valkey
from rudderproj.stack.datadir import open_data_dir


@contextlib.contextmanager
def carrying(folder: Path, *options: str) -> Iterator[valkey.Valkey]:
    """A broker that answers, until the end of the block. `options` go before its own settings."""
    data = open_data_dir(str(folder))
    server = valkey.prepare(data)
    process = subprocess.Popen([*server.command, *options], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        valkey.wait(server)
        yield server
    finally:
        process.kill()
        process.wait()
        data.close()


def emptied(client: Redis) -> int:
    """How many keys it has removed, which are all: counted and removed at once."""
    with client.pipeline() as both:
        both.dbsize()
        both.flushall()
        return int(both.execute()[0])
