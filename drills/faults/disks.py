"""Disks that are full: the database's, and the one with the logs. Small ones are mounted for it, as root."""

import contextlib
import functools
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from drills.drill import Drill
from drills.load import Plan
from drills.scene import REST_SECONDS, Scene
from drills.stack import Stack, eventually, running

MEGABYTE = 1024 * 1024
BALLAST = "ballast"
BLOCK = 4096  # the last one of each log may have room


@contextlib.contextmanager
def _mounted(folder: Path, megabytes: int) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0711", "drill", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@functools.cache
def cannot_mount() -> str:
    """Why nothing can be mounted here; empty if it can."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with _mounted(Path(folder), 1):
                return ""
        except (OSError, subprocess.CalledProcessError):
            return "nothing can be mounted here (it takes root)"


def _small(name: str, megabytes: int) -> Callable[[Path], AbstractContextManager[Stack]]:
    """A stage whose data folder has this folder on a small disk."""

    @contextlib.contextmanager
    def stage(folder: Path) -> Iterator[Stack]:
        folder.mkdir(mode=0o711)
        with _mounted(folder / name, megabytes), running(folder) as stack:
            yield stack

    return stage


def _fill_database(scene: Scene) -> None:
    """Until there is room again nothing is accepted."""
    refused, began = scene.load.ledger().refused, scene.now()
    with _full(scene.stack.folder / "postgres"):
        scene.pause(scene.left - 3 * REST_SECONDS)
    scene.struck(since=began)
    scene.recovering()
    if scene.load.ledger().refused == refused:
        scene.complain("the full disk was not felt")


def _fill_logs(scene: Scene) -> None:
    """What a process says when it is killed, and starts again, is lost; it is back all the same."""
    logs = scene.stack.folder / "logs"
    with _full(logs):
        size = _size(logs)
        scene.recovering()
        beat = scene.stack.main("beat")
        beat.kill()
        eventually(lambda: scene.stack.main("beat").pid != beat.pid, "beat without room for its log")
        scene.pause(scene.left - 3 * REST_SECONDS)
        if (grown := _size(logs) - size) > BLOCK * len(list(logs.iterdir())):
            scene.complain(f"there was room for {grown} bytes of logs")
    scene.recovering()


@contextlib.contextmanager
def _full(folder: Path) -> Iterator[None]:
    """Not a byte is left on this disk until the end of the block."""
    ballast = folder / BALLAST
    try:
        with ballast.open("wb", buffering=0) as file:
            for some in (os.urandom(MEGABYTE), b"x"):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(some)
        yield
    finally:
        ballast.unlink()


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


DRILLS: Sequence[Drill] = (
    Drill(
        "disk-db",
        "the disk of the database is full for a while",
        _fill_database,
        plan=Plan(seconds=50, rate=200),
        stage=_small("postgres", 420),
        needs=cannot_mount,
    ),
    Drill(
        "disk-logs",
        "the disk of the logs is full for a while",
        _fill_logs,
        plan=Plan(seconds=35),
        stage=_small("logs", 4),
        goes_on=True,
        needs=cannot_mount,
    ),
)
