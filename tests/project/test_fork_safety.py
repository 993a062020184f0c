"""Forks and connections that are being opened, in processes of their own: pytest's has threads that nobody counted."""

import subprocess
import sys

import pytest

# While the main thread forks another is within a block: for half a second, or for longer than a fork waits.
FORK = """
import os, sys, threading, time
from rudderproj import fork_safety
fork_safety.PATIENCE_SECONDS = 1.0
seconds = float(sys.argv[1])
entered, done = threading.Event(), []
def connect():
    with fork_safety.whole(), fork_safety.whole():
        entered.set()
        time.sleep(seconds)
        done.append(True)
threading.Thread(target=connect, daemon=True).start()
entered.wait()
if (pid := os.fork()) == 0:
    with fork_safety.whole():  # nobody is in the child's way
        os._exit(len(done))
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
with fork_safety.whole():  # nor in the parent's
    print("open", flush=True)
os._exit(0)
"""

# While a fork is made nobody comes in; several may be in at once.
TOGETHER = """
import threading
from rudderproj import fork_safety
inside = []
both = threading.Barrier(2, timeout=20)
def connect():
    with fork_safety.whole():
        inside.append(True)
        both.wait()
threads = [threading.Thread(target=connect) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(inside))
fork_safety._gate.before()
late = threading.Thread(target=connect)
both = threading.Barrier(1)
late.start()
late.join(0.5)
print(len(inside))
fork_safety._gate.in_parent()
late.join(20)
print(len(inside))
"""


def told(code: str, *args: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


@pytest.mark.parametrize(("seconds", "finished"), [("0.5", "1"), ("20", "0")])
def test_a_fork_waits_for_a_connection_that_is_being_opened_but_not_for_ever(seconds: str, finished: str) -> None:
    assert told(FORK, seconds) == [finished, "open"]


def test_threads_connect_side_by_side_but_not_while_a_fork_is_made() -> None:
    assert told(TOGETHER) == ["2", "2", "3"]
