"""What the processes do with their time: py-spy beside a run, its samples in files, the busiest functions as lines.

The files are collapsed stacks, which speedscope.app and flamegraph.pl read. A sampled run is slower: it never counts.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

ROLES = ("web", "forward")
RATE = "200"  # samples a second
SHOWN = 15


@contextlib.contextmanager
def recording(pids: dict[str, int], folder: Path, name: str) -> Iterator[list[Path]]:
    """Sample these roles until the end of the block; the files, written by then. Raises RuntimeError without py-spy."""
    beside = os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", "")))
    program = shutil.which("py-spy", path=beside)
    if program is None:
        raise RuntimeError("py-spy is not there: pip install -r requirements-dev.txt")
    folder.mkdir(parents=True, exist_ok=True)
    label = re.sub(r"\W+", "-", name)
    files = {role: folder / f"{label}.{role}.txt" for role in ROLES if role in pids}
    # Nonblocking: the processes are not stopped for each sample, at the price of a few samples that cannot be read.
    command = [program, "record", "--subprocesses", "--nonblocking", "--rate", RATE, "--format", "raw"]
    spies = [
        subprocess.Popen(
            [*command, "--output", str(file), "--pid", str(pids[role])],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for role, file in files.items()
    ]
    try:
        yield list(files.values())
    finally:
        for spy in spies:
            spy.send_signal(signal.SIGINT)
        for spy in spies:
            spy.wait()


def busiest(stacks: Iterable[str], shown: int = SHOWN) -> list[str]:
    """Of collapsed stacks: the functions with the largest shares, as `own %  total %  function`; by their own share."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        own[frames[-1]] += int(count)
        total.update(dict.fromkeys(frames, int(count)))
    samples = sum(own.values())
    return [f"{_share(own[one], samples)} {_share(total[one], samples)}  {one}" for one, _ in own.most_common(shown)]


def _share(count: int, samples: int) -> str:
    return f"{100 * count / samples:5.1f} %"
