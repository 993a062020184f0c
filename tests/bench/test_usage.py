"""Whose CPU time and memory it is."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench import usage

BURNS = (
    "import time; end = time.process_time() + 0.2\nwhile time.process_time() < end: pass\nprint(flush=True); input()"
)
PARENT = (
    f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {BURNS!r}]); "
    "print(child.pid, flush=True); child.wait()"
)


@pytest.fixture
def tree() -> Iterator[tuple[int, int]]:
    """A process and its child, which has taken 0.2 s of CPU and takes no more."""
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.stdout.readline()
        yield process.pid, child
        process.communicate("\n")


def test_what_stands_below_two_is_counted_once(tree: tuple[int, int]) -> None:
    parent, child = tree

    assert usage.of_trees([child]) >= 0.2
    assert usage.of_trees([parent, child]) == usage.of_trees([parent])


def test_what_is_no_roles_is_the_rest(tree: tuple[int, int]) -> None:
    parent, child = tree
    pids = {"supervisord": parent, "web": child}

    seconds, memory = usage.cpu_seconds(pids), usage.memory_bytes(pids)

    assert seconds["web"] >= 0.2
    assert seconds["web"] + seconds["rest"] == usage.of_trees([parent])
    assert set(memory) == {"web", "rest"}
    assert min(memory.values()) > 2**20
