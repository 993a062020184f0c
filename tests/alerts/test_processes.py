"""Heartbeats of real processes, which really die."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from alerts import processes
from alerts.models import Process

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("committed")]

BEATING = """
import django; django.setup()
from alerts import processes
processes.start("web")
processes.start("web")
input()
"""
NODE = f"{socket.gethostname()}-web"


Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(process_env: dict[str, str]) -> Iterator[Start]:
    """Start processes that beat as `web`; a line on their standard input ends them."""
    started = []

    def begin(**environ: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", BEATING],
            env=process_env | {"DJANGO_SETTINGS_MODULE": "rudderproj.settings"} | environ,
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def seen_on(node: str, pid: int) -> Process:
    """Wait for the row of a process."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := Process.objects.filter(node=node, pid=pid).first():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{node} not seen with pid {pid}: {list(Process.objects.values_list('node', 'pid'))}")


def test_a_clean_end_leaves_no_row_and_a_kill_leaves_one_until_the_successor_takes_the_node(start: Start) -> None:
    first = start()
    assert seen_on(f"{NODE}-0", first.pid).role == "web"
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert processes.living().get().pid == first.pid

    second = start()
    seen_on(f"{NODE}-0", second.pid)
    assert processes.living().count() == 1
    second.communicate(b"\n", timeout=20)
    assert not Process.objects.exists()


def test_two_of_a_role_on_one_host_are_two_nodes(start: Start) -> None:
    first = start()
    seen_on(f"{NODE}-0", first.pid)
    seen_on(f"{NODE}-1", start().pid)
    assert processes.living().count() == 2


def test_a_configured_node_id_is_taken_over_at_once(start: Start) -> None:
    first = start(NODE_ID="pod-7")
    seen_on("pod-7", first.pid)
    seen_on("pod-7", start(NODE_ID="pod-7").pid)
    assert Process.objects.count() == 1


def test_a_process_unseen_for_a_minute_is_not_shown() -> None:
    now = timezone.now()
    for name, age in [("fresh", 30), ("stale", processes.HIDDEN_SECONDS + 1)]:
        seen = now - timedelta(seconds=age)
        Process.objects.create(role="beat", node=name, pid=1, started_at=seen, last_seen_at=seen)
    assert [process.node for process in processes.living()] == ["fresh"]
