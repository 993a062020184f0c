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
from drills.stack import Stack, running

MEGABYTE = 1024 * 1024
BALLAST = "ballast"


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


def _fill(name: str, is_felt: bool) -> Callable[[Scene], None]:
    def fault(scene: Scene) -> None:
        refused = scene.load.ledger().refused
        ballast = scene.stack.folder / name / BALLAST
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(os.urandom(MEGABYTE))
        try:
            with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(b"x")
            scene.pause(scene.left - 3 * REST_SECONDS)
        finally:
            ballast.unlink()
        scene.recovering(repeats=int(is_felt))
        if is_felt and scene.load.ledger().refused == refused:
            scene.complain("the full disk was not felt")

    return fault


DRILLS: Sequence[Drill] = (
    Drill(
        "disk-db",
        "the disk of the database is full for a while",
        _fill("postgres", is_felt=True),
        plan=Plan(seconds=50, rate=200),
        stage=_small("postgres", 420),
        needs=cannot_mount,
    ),
    Drill(
        "disk-logs",
        "the disk of the logs is full for a while",
        _fill("logs", is_felt=False),
        plan=Plan(seconds=35),
        stage=_small("logs", 4),
        needs=cannot_mount,
    ),
)
