"""A dead process's lanes are nobody's until its death is recorded, with what it held."""

import subprocess
import sys
from pathlib import Path

import pytest

from destinations import owner
from tests.services import ROOT

# A parent, as a worker's main process is, whose child dies with something in its hands, or with nothing.
PARENT = """
import os, sys
from destinations import owner
from rudderproj import flight
if not (child := os.fork()):
    slot = flight.mine().take_event(7, 3, 63, 0, 2**40, 5)
    if sys.argv[1] == "nothing":
        flight.mine().give(slot)
    print(owner.me(), flush=True)
    os._exit(1)
os.waitpid(child, 0)
print(child, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(("held", "is_dead"), [("an event", False), ("nothing", True)])
def test_a_process_that_held_something_is_not_dead_before_that_is_recorded(
    tmp_path: Path, held: str, is_dead: bool
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, held],
        cwd=ROOT,
        env={"LIFE_DIR": str(tmp_path), "PATH": "/usr/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout
    left, child = parent.stdout.readline().strip(), parent.stdout.readline().strip()
    assert owner.is_dead(left) is is_dead
    (tmp_path / f"flight-{child}").rename(tmp_path / "recorded")
    assert owner.is_dead(left)
    (tmp_path / "recorded").rename(tmp_path / f"flight-{child}")
    parent.communicate("")
    assert owner.is_dead(left), "nobody is left who could record it"
